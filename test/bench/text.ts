/** What all texts of the benchmark are made of. */
export const words =
  'sáng nay trời Đà Lạt lạnh quá mình ghé quán cà phê gần chợ uống một ly sữa nóng rồi đi bộ quanh hồ we should book the bus tickets before friday because the weekend is busy and the night market closes early bring a jacket the forecast says rain in the afternoon ai rảnh thì đặt phòng giúp cả nhóm nhé cảm ơn mọi người nhiều'.split(
    ' ',
  );

let state = 42;
const random = (below: number): number => {
  // A fixed sequence (Park-Miller): every target and every run gets texts of the same kind.
  state = (state * 48_271) % 2_147_483_647;
  return state % below;
};

/** A chat message of 5 to 24 words, English and Vietnamese mixed, different every time. */
export const chatText = (): string => {
  const length = 5 + random(20);
  return `${Array.from({ length }, () => words[random(words.length)]).join(' ')} ${state.toString(36)}`;
};

/** The longest text that a message may have, of words that no other text has. */
export const rareText = (): string => {
  const parts: string[] = [];
  for (let length = 0; length < 16_370; length += 8) {
    state = (state * 48_271) % 2_147_483_647;
    parts.push(state.toString(36).padStart(7, 'x'));
  }
  return parts.join(' ').slice(0, 16_384);
};
