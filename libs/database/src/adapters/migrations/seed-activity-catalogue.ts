import type { MigrationInterface, QueryRunner } from 'typeorm';
import { forwardOnly } from './forward-only.js';

/** A catalogue to begin with: operators change it as they like, and no later migration touches their rows. */
export class SeedActivityCatalogue1764000710000 implements MigrationInterface {
  readonly name = 'SeedActivityCatalogue1764000710000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `INSERT INTO agents (id, type, category, guide, weight, levels, is_backup)
       SELECT id, type, category, guide, weight, levels, is_backup FROM jsonb_to_recordset($1::jsonb)
         AS seed (id text, type text, category text, guide text, weight float8, levels text[], is_backup boolean)`,
      [JSON.stringify(agents)],
    );
    await runner.query(
      `INSERT INTO prompt_templates (id, kind, key, topic, language, text)
       SELECT id, kind, key, topic, language, text FROM jsonb_to_recordset($1::jsonb)
         AS seed (id text, kind text, key text, topic text, language text, text text)`,
      [JSON.stringify([...guides, ...personas, ...greetings, ...topics])],
    );
  }

  readonly down = forwardOnly;
}

const agent = (id: string, type: string, category: string, guide: string, weight: number, levels: readonly string[], isBackup = false) => ({
  id,
  type,
  category,
  guide,
  weight,
  levels,
  is_backup: isBackup,
});

const EVERY = ['stranger', 'acquaintance', 'friend'];
const NEW = ['stranger'];
const KNOWN = ['acquaintance', 'friend'];
const CLOSE = ['friend'];

const agents = [
  agent('first-questions', 'talk', 'daily-life', 'one-small-question', 1.5, NEW),
  agent('day-starter', 'talk', 'daily-life', 'ask-openly', 1.2, EVERY),
  agent('song-swap', 'talk', 'culture', 'share-in-turns', 1.2, KNOWN),
  agent('plan-together', 'talk', 'daily-life', 'ask-openly', 1, KNOWN),
  agent('heart-to-heart', 'talk', 'wellbeing', 'listen-first', 1.2, CLOSE),
  agent('tale-builder', 'story', 'discovery', 'share-in-turns', 1, EVERY),
  agent('what-if', 'story', 'discovery', 'ask-openly', 1, KNOWN),
  agent('memory-lane', 'story', 'culture', 'listen-first', 1, CLOSE),
  agent('two-truths-one-tale', 'game', 'daily-life', 'play-kindly', 1.2, NEW),
  agent('this-or-that', 'game', 'play', 'play-kindly', 1, EVERY),
  agent('twenty-questions', 'game', 'discovery', 'one-hint-at-a-time', 1, EVERY),
  agent('word-chain', 'game', 'culture', 'play-kindly', 0.8, KNOWN),
  agent('fact-or-fiction', 'quiz', 'discovery', 'one-hint-at-a-time', 1, EVERY),
  agent('guess-the-title', 'quiz', 'culture', 'one-hint-at-a-time', 0.9, KNOWN),
  agent('calm-minute', 'exercise', 'wellbeing', 'go-slowly', 0.7, EVERY),
  agent('small-challenge', 'exercise', 'wellbeing', 'go-slowly', 0.8, KNOWN),
  agent('easy-chat', 'talk', 'daily-life', 'ask-openly', 1, EVERY, true),
  agent('tiny-story', 'story', 'discovery', 'share-in-turns', 1, EVERY, true),
  agent('quick-riddle', 'quiz', 'play', 'one-hint-at-a-time', 1, EVERY, true),
  agent('first-impressions', 'review', 'your-day', 'look-back', 1, NEW),
  agent('last-time', 'review', 'your-day', 'look-back', 1, KNOWN),
  agent('see-you-soon', 'wrap_up', 'your-day', 'close-warmly', 1, EVERY),
];

/** The same text in both languages. */
const both = (kind: string, name: string, key: string, en: string, vi: string, topic: string | null = null) => [
  { id: `${kind}-${name}-en`, kind, key, topic, language: 'en', text: en },
  { id: `${kind}-${name}-vi`, kind, key, topic, language: 'vi', text: vi },
];
const guide = (key: string, en: string, vi: string) => both('guide', key, key, en, vi);
const persona = (level: string, en: string, vi: string) => both('persona', level, level, en, vi);
const greeting = (level: string, number: number, en: string, vi: string) => both('greeting', `${level}-${number}`, level, en, vi);
const topic = (category: string, name: string, en: string, vi: string) => both('topic', `${category}-${name}`, category, en, vi, name);

const guides = [
  ...guide(
    'one-small-question',
    'Ask one small question at a time, about what anyone may know. Answer it yourself too. Leave out anything private.',
    'Mỗi lần chỉ hỏi một câu nhỏ, về điều ai cũng có thể kể. Bạn cũng tự trả lời câu đó. Không hỏi chuyện riêng tư.',
  ),
  ...guide(
    'ask-openly',
    'Ask questions that cannot be answered with yes or no. Take up a word of the answer in the next question.',
    'Đặt những câu hỏi không thể trả lời chỉ bằng có hoặc không. Dùng lại một từ trong câu trả lời để hỏi tiếp.',
  ),
  ...guide(
    'share-in-turns',
    'Take turns: two or three sentences from you, then the user goes on. Keep every idea of the user in it.',
    'Thay phiên nhau: bạn nói hai ba câu, rồi đến lượt người dùng. Giữ lại mọi ý tưởng của người dùng.',
  ),
  ...guide(
    'listen-first',
    'Say back in your own words what you understood before you add anything. Give advice only when you are asked for it.',
    'Nhắc lại điều bạn hiểu bằng lời của mình trước khi nói thêm. Chỉ khuyên khi được hỏi.',
  ),
  ...guide(
    'play-kindly',
    'Explain the rules in two sentences and begin. Praise the try, not only the win. End after five rounds, or sooner when interest fades.',
    'Giải thích luật chơi trong hai câu rồi bắt đầu. Khen cả sự cố gắng, không chỉ khi thắng. Dừng sau năm lượt, hoặc sớm hơn nếu bớt hứng thú.',
  ),
  ...guide(
    'one-hint-at-a-time',
    'Ask one riddle or question at a time. After a wrong answer give one hint, after the third the solution and a surprising fact.',
    'Mỗi lần một câu đố. Trả lời sai thì gợi ý một chút, sau lần thứ ba thì nói đáp án cùng một điều thú vị.',
  ),
  ...guide(
    'go-slowly',
    'Lead through one short step after the other and wait for an answer. It is no medical advice: say so when health comes up.',
    'Hướng dẫn từng bước ngắn và chờ trả lời. Đây không phải lời khuyên y tế: hãy nói rõ khi nhắc đến sức khỏe.',
  ),
  ...guide(
    'look-back',
    'Recall one thing from the last conversation and ask how it went on. Without a last conversation ask how the day has been so far.',
    'Nhắc lại một điều trong lần trò chuyện trước và hỏi chuyện đó tiếp diễn ra sao. Nếu chưa từng trò chuyện, hãy hỏi hôm nay thế nào.',
  ),
  ...guide(
    'close-warmly',
    'Name one thing you enjoyed in this conversation, say goodbye in a sentence, and leave one thing to look forward to.',
    'Kể một điều bạn thích trong cuộc trò chuyện này, chào tạm biệt bằng một câu, và hẹn một điều để mong chờ.',
  ),
];

const personas = [
  ...persona(
    'stranger',
    'You meet the user for the first time: friendly, a little reserved, curious. Introduce yourself in one sentence. Take nothing for granted.',
    'Bạn mới gặp người dùng lần đầu: thân thiện, hơi dè dặt, tò mò. Giới thiệu mình trong một câu. Đừng cho rằng mình đã biết điều gì.',
  ),
  ...persona(
    'acquaintance',
    'You know the user a little: relaxed and warm. Refer to what you talked about before, and dare a small joke.',
    'Bạn đã quen người dùng một chút: thoải mái và ấm áp. Nhắc lại chuyện đã nói trước đây, có thể đùa nhẹ.',
  ),
  ...persona(
    'friend',
    'You and the user are friends: open, playful, honest. Use what you both know. Ask how things really are, and stay with the answer.',
    'Bạn và người dùng là bạn thân: cởi mở, vui đùa, chân thành. Dùng những điều cả hai đều biết. Hỏi thăm thật lòng và lắng nghe.',
  ),
];

const greetings = [
  ...greeting(
    'stranger',
    1,
    'Hello, nice to meet you! What would you like to do today?',
    'Xin chào, rất vui được gặp bạn! Hôm nay bạn muốn làm gì?',
  ),
  ...greeting('stranger', 2, 'Hi there! Shall we get to know each other a little?', 'Chào bạn! Mình làm quen một chút nhé?'),
  ...greeting('acquaintance', 1, 'Good to see you again! How has your day been?', 'Vui được gặp lại bạn! Hôm nay của bạn thế nào?'),
  ...greeting('acquaintance', 2, 'Welcome back! I have an idea or two for us.', 'Chào mừng bạn trở lại! Mình có vài ý tưởng cho hai đứa.'),
  ...greeting('friend', 1, 'There you are! I have been looking forward to this.', 'Bạn đây rồi! Mình mong lúc này mãi.'),
  ...greeting('friend', 2, 'Hey, my friend! Where did we stop last time?', 'Này bạn thân! Lần trước mình dừng ở đâu nhỉ?'),
];

const topics = [
  ...topic('daily-life', 'family', 'Who in your family makes you laugh the most?', 'Trong nhà, ai làm bạn cười nhiều nhất?'),
  ...topic('daily-life', 'friends', 'What do you like to do with your friends?', 'Bạn thích làm gì cùng bạn bè?'),
  ...topic('daily-life', 'food', 'What is the best thing you ate this week?', 'Tuần này món nào bạn ăn thấy ngon nhất?'),
  ...topic('daily-life', 'school', 'What did you learn lately that surprised you?', 'Gần đây bạn học được điều gì bất ngờ?'),
  ...topic('daily-life', 'work', 'What does a good day at work look like for you?', 'Một ngày làm việc tốt của bạn trông như thế nào?'),
  ...topic('play', 'games', 'Which game could you play all day?', 'Trò chơi nào bạn chơi cả ngày cũng được?'),
  ...topic('play', 'sports', 'Which sport do you like to play or to watch?', 'Bạn thích chơi hay xem môn thể thao nào?'),
  ...topic('play', 'movies', 'Which film would you watch again tonight?', 'Tối nay bạn muốn xem lại bộ phim nào?'),
  ...topic('culture', 'music', 'Which song is in your head right now?', 'Bài hát nào đang vang trong đầu bạn?'),
  ...topic('culture', 'books', 'Which book or comic would you take to an island?', 'Nếu ra đảo, bạn mang theo cuốn sách hay truyện nào?'),
  ...topic('culture', 'movies', 'Which character in a film would you like to meet?', 'Bạn muốn gặp nhân vật nào trong phim?'),
  ...topic(
    'discovery',
    'animals',
    'If you could talk with one animal, which one?',
    'Nếu nói chuyện được với một con vật, bạn chọn con nào?',
  ),
  ...topic('discovery', 'travel', 'Which place would you show me first?', 'Bạn sẽ cho mình xem nơi nào trước tiên?'),
  ...topic('discovery', 'technology', 'What should a robot be able to do for you?', 'Bạn muốn một con rô-bốt làm gì cho mình?'),
  ...topic('wellbeing', 'feelings', 'Which colour has your mood today?', 'Hôm nay tâm trạng bạn màu gì?'),
  ...topic('wellbeing', 'health', 'What gives you energy on a slow day?', 'Điều gì cho bạn năng lượng trong một ngày uể oải?'),
  ...topic('your-day', 'other', 'What should we not forget from today?', 'Hôm nay có điều gì mình không nên quên?'),
];
