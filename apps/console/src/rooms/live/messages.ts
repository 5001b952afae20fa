import { messagesOf } from '../../i18n/messages.js';

/** The words for how current the picture of an operators' room is. */
export const liveMessages = messagesOf(
  {
    connecting: 'Connecting …',
    sectionUnknown: (reason: string, since: string) => `Not known since ${since}: ${reason}`,
    sectionComing: 'Waiting for the first figures …',
    live: 'Live',
    stale: (time: string) => `Stale since ${time}`,
    never: 'No figures yet',
    retry: 'Try now',
    reasons: {
      network: 'The gateway cannot be reached.',
      ended: 'The gateway ended the stream.',
      silent: 'Nothing has come for a while.',
      overloaded: 'The gateway has too many readers.',
      other: 'The gateway refuses the stream.',
    },
    whatYouSee: 'What you see is as it was then.',
    refused: 'This room needs a token with the scope admin. Sign in with one: npm run parley -- console --user you --admin',
  },
  {
    connecting: 'Đang kết nối …',
    sectionUnknown: (reason: string, since: string) => `Không rõ từ ${since}: ${reason}`,
    sectionComing: 'Đang chờ số liệu đầu tiên …',
    live: 'Trực tiếp',
    stale: (time: string) => `Số liệu cũ từ ${time}`,
    never: 'Chưa có số liệu',
    retry: 'Thử ngay',
    reasons: {
      network: 'Không kết nối được cổng.',
      ended: 'Cổng đã kết thúc luồng.',
      silent: 'Một lúc rồi không nhận được gì.',
      overloaded: 'Cổng có quá nhiều người đọc.',
      other: 'Cổng từ chối luồng.',
    },
    whatYouSee: 'Số liệu đang hiển thị là của lúc đó.',
    refused: 'Phòng này cần mã truy cập có phạm vi admin. Đăng nhập bằng mã đó: npm run parley -- console --user you --admin',
  },
);
