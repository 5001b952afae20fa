import { messagesOf, useMessages } from '../i18n/messages.js';
import { ApiError, type FailureCode } from './api.js';

const texts = messagesOf(
  {
    validation: 'Something in it is not valid. Correct it and try again; nothing was stored.',
    unauthenticated: 'The token is not accepted any more. Sign in with a new one.',
    forbidden: 'This token may not do that. Use one with the right scope.',
    'not-found': 'It is not there, or you may not see it. Reload to see what there is.',
    'idempotency-key-reused': 'This was sent before with other content. Write it again as a new message.',
    'version-conflict': 'It was changed meanwhile. Look at the newest version, then decide again.',
    'payload-too-large': 'That is too much at once. Send less.',
    'rate-limited': 'You are faster than your quota allows. Wait a moment, then try again.',
    overloaded: 'The system is full just now. Try again in a moment; nothing is lost.',
    'dependency-unavailable': 'A part of the system is unavailable. Try again in a moment.',
    timeout: 'It took too long, and may have happened. Try again: repeating is safe.',
    internal: 'Something went wrong on the server. Tell an operator the request id.',
    network: 'The server cannot be reached. Check the network; the page goes on by itself when it is back.',
    deadline: 'The server did not answer in time. Try again.',
    malformed: 'Something between this page and Parley answered. Check the address and the proxy.',
    closed: 'The connection was closed. Sign in again.',
    unsupported: 'This browser cannot open the connection. Load the page over https, or use another browser.',
    unknown: 'Something went wrong in this page. Reload it.',
    request: (id: string) => `Request ${id}`,
  },
  {
    validation: 'Có phần không hợp lệ. Hãy sửa rồi thử lại; chưa có gì được lưu.',
    unauthenticated: 'Mã truy cập không còn được chấp nhận. Hãy đăng nhập bằng mã mới.',
    forbidden: 'Mã truy cập này không có quyền làm việc đó. Hãy dùng mã có đúng phạm vi.',
    'not-found': 'Không tìm thấy, hoặc bạn không được xem. Hãy tải lại trang.',
    'idempotency-key-reused': 'Nội dung khác đã được gửi với cùng khóa. Hãy viết lại thành tin nhắn mới.',
    'version-conflict': 'Nội dung đã được thay đổi. Hãy xem bản mới nhất rồi quyết định lại.',
    'payload-too-large': 'Quá nhiều dữ liệu cho một lần. Hãy gửi ít hơn.',
    'rate-limited': 'Bạn thao tác nhanh hơn hạn mức. Hãy đợi một lát rồi thử lại.',
    overloaded: 'Hệ thống đang quá tải. Hãy thử lại sau giây lát; không có gì bị mất.',
    'dependency-unavailable': 'Một phần của hệ thống đang gián đoạn. Hãy thử lại sau giây lát.',
    timeout: 'Quá lâu chưa xong và có thể đã được thực hiện. Hãy thử lại: lặp lại là an toàn.',
    internal: 'Máy chủ gặp lỗi. Hãy báo mã yêu cầu cho người vận hành.',
    network: 'Không kết nối được máy chủ. Hãy kiểm tra mạng; trang sẽ tự tiếp tục khi có lại.',
    deadline: 'Máy chủ không trả lời kịp. Hãy thử lại.',
    malformed: 'Câu trả lời không phải của Parley. Hãy kiểm tra địa chỉ và proxy.',
    closed: 'Kết nối đã đóng. Hãy đăng nhập lại.',
    unsupported: 'Trình duyệt này không mở được kết nối. Hãy tải trang qua https hoặc dùng trình duyệt khác.',
    unknown: 'Trang gặp lỗi. Hãy tải lại.',
    request: (id: string) => `Yêu cầu ${id}`,
  },
);

type Code = FailureCode | 'closed' | 'unsupported';

const codeOf = (error: unknown): Code | 'unknown' => {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' && Object.hasOwn(texts.en, code) ? (code as Code) : 'unknown';
};

/** What went wrong and what to do about it, in words; what the server said of the fields comes after it. */
export function useProblemText(): (error: unknown) => string {
  const words = useMessages(texts);
  return (error) => {
    const code = codeOf(error);
    const { errors = [], requestId } = error instanceof ApiError ? error.more : {};
    const fields = errors.map(({ pointer, message }) => `${pointer.replace(/^\//, '')}: ${message}`);
    return [words[code], ...fields, ...(code === 'internal' && requestId !== undefined ? [words.request(requestId)] : [])].join('\n');
  };
}
