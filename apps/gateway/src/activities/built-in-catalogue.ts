import { Level } from '#lib/contracts/scores';
import { type Agent, Catalogue, type CatalogueRows, type PromptTemplate } from './catalogue.js';

const agent = (id: string, type: Agent['type'], category: string, guide: string, isBackup = false): Agent => ({
  id,
  type,
  category,
  guide,
  weight: 1,
  levels: [...Level.options],
  isBackup,
});

const text = (
  kind: PromptTemplate['kind'],
  key: string,
  en: string,
  vi: string,
  topic: PromptTemplate['topic'] = null,
): PromptTemplate[] => [
  { id: `${kind}-${key}-${topic}-en`, kind, key, topic, language: 'en', text: en },
  { id: `${kind}-${key}-${topic}-vi`, kind, key, topic, language: 'vi', text: vi },
];

/** What a process suggests from until it has read what operators keep in Postgres. Its agents are among those that the first catalogue there has. */
export const builtInRows: CatalogueRows = {
  agents: [
    agent('day-starter', 'talk', 'daily-life', 'ask-openly'),
    agent('tale-builder', 'story', 'discovery', 'ask-openly'),
    agent('this-or-that', 'game', 'play', 'ask-openly'),
    agent('easy-chat', 'talk', 'daily-life', 'ask-openly', true),
    agent('see-you-soon', 'wrap_up', 'your-day', 'close-warmly'),
    agent('last-time', 'review', 'your-day', 'look-back'),
  ],
  templates: [
    ...Level.options.flatMap((level) =>
      text('greeting', level, 'Hello! What would you like to do today?', 'Xin chào! Hôm nay bạn muốn làm gì?'),
    ),
    ...Level.options.flatMap((level) => text('persona', level, 'Be friendly and curious.', 'Hãy thân thiện và tò mò.')),
    ...text(
      'guide',
      'ask-openly',
      'Ask questions that cannot be answered with yes or no.',
      'Đặt những câu hỏi không thể trả lời chỉ bằng có hoặc không.',
    ),
    ...text('guide', 'look-back', 'Ask how the day has been so far.', 'Hỏi xem hôm nay thế nào.'),
    ...text('guide', 'close-warmly', 'Say goodbye in one warm sentence.', 'Chào tạm biệt bằng một câu ấm áp.'),
    ...text('topic', 'daily-life', 'What is the best thing you ate this week?', 'Tuần này món nào bạn ăn thấy ngon nhất?', 'food'),
    ...text(
      'topic',
      'discovery',
      'If you could talk with one animal, which one?',
      'Nếu nói chuyện được với một con vật, bạn chọn con nào?',
      'animals',
    ),
    ...text('topic', 'play', 'Which game could you play all day?', 'Trò chơi nào bạn chơi cả ngày cũng được?', 'games'),
    ...text('topic', 'your-day', 'What should we not forget from today?', 'Hôm nay có điều gì mình không nên quên?', 'other'),
  ],
};

/** @see builtInRows */
export const builtInCatalogue = new Catalogue('built in', builtInRows);
