import type { Topic } from '#lib/contracts/scores';

/** Words and phrases by what they are about, English first. How entries are written and found: `libs/scores/src/signals/lexicon.ts`. */
export const TOPIC_WORDS: readonly (readonly [Exclude<Topic, 'other'>, string])[] = [
  [
    'family',
    `family, mother, mom, mum, father, dad, parents, brother, sister, grandma, grandmother, grandpa, grandfather, son, daughter, uncle, aunt, cousin,
     husband, wife, kids, baby, gia đình, bố mẹ, ba mẹ, cha mẹ, =mẹ, =bố, =má, ông bà, ông nội, ông ngoại, bà nội, bà ngoại, anh trai, chị gái, em trai,
     em gái, con trai, con gái, vợ, chồng, họ hàng, anh em`,
  ],
  [
    'friends',
    `friend, friends, best friend, buddy, mate, classmate, roommate, hang out, party, boyfriend, girlfriend, =bạn bè, bạn thân, bạn gái, bạn trai,
     bạn cùng lớp, đi chơi, tụ tập, hội bạn, người yêu, nhóm bạn`,
  ],
  [
    'school',
    `school, class, teacher, homework, exam, exams, test, university, college, student, lesson, study, studying, math, grades, semester, trường, trường học,
     lớp, lớp học, giáo viên, cô giáo, thầy giáo, thầy cô, bài tập, bài kiểm tra, thi cử, kỳ thi, đại học, học sinh, sinh viên, học bài, môn toán, điểm số, đi học`,
  ],
  [
    'work',
    `work, job, boss, office, colleague, colleagues, coworker, meeting, salary, project, career, interview, deadline, client, customer, company, overtime,
     công việc, việc làm, sếp, văn phòng, đồng nghiệp, cuộc họp, lương, dự án, sự nghiệp, phỏng vấn, khách hàng, công ty, tăng ca, đi làm, nghỉ việc`,
  ],
  [
    'food',
    `food, eat, eating, dinner, lunch, breakfast, coffee, tea, restaurant, cook, cooking, recipe, pizza, noodles, rice, cake, soup, delicious, hungry,
     đồ ăn, món ăn, ăn cơm, ăn tối, ăn trưa, ăn sáng, cà phê, trà sữa, nhà hàng, nấu ăn, phở, bún, bánh mì, bánh ngọt, ngon, đói bụng, đói, quán ăn, lẩu`,
  ],
  [
    'games',
    `game, games, gaming, gamer, minecraft, roblox, fortnite, playstation, xbox, nintendo, chess, video game, board game, puzzle, esports,
     trò chơi, chơi game, cờ vua, cờ tướng, liên quân, game thủ, máy chơi game, leo rank`,
  ],
  [
    'sports',
    `sport, sports, football, soccer, basketball, tennis, volleyball, badminton, swimming, running, gym, match, goal, champion, world cup, marathon,
     workout, thể thao, bóng đá, đá bóng, bóng rổ, cầu lông, bóng chuyền, bơi lội, chạy bộ, trận đấu, bàn thắng, vô địch, tập gym, đội tuyển`,
  ],
  [
    'movies',
    `movie, movies, film, films, cinema, netflix, actor, actress, director, series, tv show, trailer, episode, anime, cartoon,
     phim, xem phim, rạp phim, rạp chiếu phim, diễn viên, đạo diễn, phim bộ, tập phim, hoạt hình`,
  ],
  [
    'music',
    `music, song, songs, singer, band, concert, guitar, piano, album, melody, lyrics, playlist, spotify, karaoke,
     âm nhạc, bài hát, ca sĩ, nghe nhạc, ban nhạc, đàn guitar, ca khúc, giai điệu, lời bài hát, ca nhạc, nhạc sĩ`,
  ],
  [
    'books',
    `book, books, novel, author, read a book, reading, library, chapter, poem, poetry, story book, comic, manga,
     sách, cuốn sách, đọc sách, tiểu thuyết, tác giả, thư viện, truyện tranh, bài thơ, truyện ngắn, nhà văn`,
  ],
  [
    'animals',
    `animal, animals, dog, dogs, puppy, cat, cats, kitten, pet, pets, bird, birds, fish, rabbit, horse, hamster, zoo, elephant, tiger, lion,
     động vật, con chó, chó con, con mèo, mèo con, mèo, =chó, thú cưng, con chim, con cá, con thỏ, con ngựa, sở thú, con voi, con hổ, sư tử`,
  ],
  [
    'travel',
    `travel, trip, vacation, holiday, holidays, flight, airport, hotel, beach, mountain, tourist, passport, sightseeing, journey, road trip,
     du lịch, chuyến đi, kỳ nghỉ, chuyến bay, sân bay, khách sạn, bãi biển, đi biển, leo núi, hộ chiếu, tham quan, phượt, đà lạt, phú quốc`,
  ],
  [
    'technology',
    `computer, phone, smartphone, laptop, software, internet, app, website, robot, robots, programming, code, coding, ai, artificial intelligence, iphone, android,
     máy tính, điện thoại, phần mềm, mạng internet, ứng dụng, trang web, lập trình, trí tuệ nhân tạo, công nghệ, người máy`,
  ],
  [
    'health',
    `health, doctor, hospital, medicine, sick, ill, flu, fever, headache, pain, diet, sleep, insomnia, vaccine, dentist, exercise,
     sức khỏe, sức khoẻ, bác sĩ, bệnh viện, thuốc, bị ốm, bị bệnh, ốm, cảm cúm, sốt, đau đầu, đau bụng, mất ngủ, nha sĩ, tập thể dục`,
  ],
  [
    'feelings',
    `feel, feeling, feelings, love, lonely, happy, sad, angry, afraid, scared, worried, anxious, stress, stressed, miss you, cry, heart,
     cảm xúc, cảm giác, cảm thấy, tình yêu, cô đơn, buồn, vui, giận, sợ hãi, lo lắng, lo âu, căng thẳng, nhớ nhung, khóc, tâm trạng, tâm sự`,
  ],
];
