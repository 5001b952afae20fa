import type { ActivityLanguage } from '#lib/contracts/activities';
import type { Topic, TopicMetrics } from '#lib/contracts/scores';
import { daysSince } from './topic-interest.js';

const vietnamese: Readonly<Record<Topic, string>> = {
  family: 'gia đình',
  friends: 'bạn bè',
  school: 'trường học',
  work: 'công việc',
  food: 'món ăn',
  games: 'trò chơi',
  sports: 'thể thao',
  movies: 'phim ảnh',
  music: 'âm nhạc',
  books: 'sách',
  animals: 'động vật',
  travel: 'du lịch',
  technology: 'công nghệ',
  health: 'sức khỏe',
  feelings: 'cảm xúc',
  other: 'những chuyện khác',
};

const english = (topic: Topic): string => (topic === 'other' ? 'other things' : topic);

/** Why a topic is suggested, as a sentence for people. */
export const reasonFor = (topic: Topic, metrics: TopicMetrics, language: ActivityLanguage, at: Date): string => {
  const { conversations = 0, lastAt = '' } = metrics[topic] ?? {};
  if (conversations > 0) return cameUp[language](topic, conversations, Math.floor(daysSince(lastAt, at)));
  return Object.keys(metrics).length === 0 ? firstTopic[language](topic) : neverCameUp[language](topic);
};

const cameUp: Readonly<Record<ActivityLanguage, (topic: Topic, conversations: number, days: number) => string>> = {
  en: (topic, conversations, days) => {
    const ago = days === 0 ? 'within the last day' : days === 1 ? 'a day ago' : `${days} days ago`;
    if (conversations === 1) return `You talked about ${english(topic)} in one conversation, ${ago}.`;
    return `You talked about ${english(topic)} in ${conversations} conversations, the last of them ${ago}.`;
  },
  vi: (topic, conversations, days) =>
    `Bạn đã nói về ${vietnamese[topic]} trong ${conversations} cuộc trò chuyện, gần nhất ${days === 0 ? 'trong vòng một ngày qua' : `cách đây ${days} ngày`}.`,
};

const firstTopic: Readonly<Record<ActivityLanguage, (topic: Topic) => string>> = {
  en: (topic) => `Something to get to know each other by: ${english(topic)}.`,
  vi: (topic) => `Một chủ đề để làm quen: ${vietnamese[topic]}.`,
};

const neverCameUp: Readonly<Record<ActivityLanguage, (topic: Topic) => string>> = {
  en: (topic) => `You have not talked about ${english(topic)} yet.`,
  vi: (topic) => `Bạn chưa từng nói về ${vietnamese[topic]}.`,
};
