// What has been said already in the mock: a few chats of all kinds, and any number of small ones.
import type { AnswerOptions, AnswerStats, Message, Picture } from '../bindings';
import { SCENES } from './scenes';

export const DEFAULTS: AnswerOptions = {
  style: 'chat',
  mayDecline: false,
  options: [],
  fields: [],
  region: null,
  maxTokens: 512,
  temperature: 0,
  seed: 0,
  forgetOldest: false,
};

export const STATS: AnswerStats = {
  model: 'LLaVA-1.5 7B',
  device: 'cpu',
  firstTokenSeconds: 5.8,
  imageSeconds: 4.1,
  prefillSeconds: 1.6,
  decodeSeconds: 12.4,
  tokens: 74,
  tokensPerSecond: 6.0,
  forgottenMessages: 0,
};

export interface SeedTurn {
  text: string;
  pictures?: Picture[];
  options?: Partial<AnswerOptions>;
  answers: (Partial<Message> & { text: string })[];
}

export interface SeedThread {
  title: string;
  hoursAgo: number;
  pinned?: boolean;
  turns: SeedTurn[];
}

const HARBOUR_ANSWER = `The picture shows a small harbour **at sunset**. A sailing boat with a red hull and cream sails lies in the foreground; a smaller boat follows farther out. The low sun draws a bright path across the water.

A few things stand out:

- the sails are set, but the water is almost still
- the hills behind the bay are in shadow
- nobody is to be seen on either boat

The light and the empty decks give the scene a quiet mood.`;

const SAIL_ZH = `图中是傍晚的港湾：近处有一艘**红色船身**的帆船，远处还有一艘小船，夕阳在水面上映出一道光。

1. 帆已经升起，水面却几乎没有波纹
2. 远处的山丘处在阴影里
3. 两艘船上都看不到人`;

export const THREADS: SeedThread[] = [
  {
    title: 'What is happening in this harbour?',
    hoursAgo: 0.2,
    turns: [
      {
        text: 'What is happening in this harbour?',
        pictures: [SCENES.harbour.picture],
        answers: [
          { text: 'A sailing boat leaves a harbour at sunset.', stats: STATS },
          { text: HARBOUR_ANSWER, stats: STATS },
        ],
      },
      {
        text: 'the sailing boat with the red hull',
        options: { style: 'box' },
        answers: [
          {
            text: '[0.20, 0.37, 0.46, 0.74]',
            stats: {
              ...STATS,
              tokens: 22,
              decodeSeconds: 3.6,
              firstTokenSeconds: 0.9,
              imageSeconds: 0,
            },
            boxes: [
              {
                picture: SCENES.harbour.picture.id,
                region: { x1: 240, y1: 244, x2: 552, y2: 688 },
                range: [0, 24],
              },
            ],
          },
        ],
      },
    ],
  },
  {
    title: '海边的狗在看什么？',
    hoursAgo: 2,
    pinned: true,
    turns: [
      {
        text: '海边的狗在看什么？',
        pictures: [SCENES.dog.picture],
        answers: [
          {
            text: '这只棕色的狗坐在沙滩上，正望着身旁的**红色小球**，看起来在等主人把球扔出去。',
            stats: STATS,
          },
        ],
      },
      {
        text: '它戴着项圈吗？',
        options: { style: 'short', mayDecline: true },
        answers: [{ text: '戴着，青绿色。', stats: { ...STATS, tokens: 9, imageSeconds: 0 } }],
      },
    ],
  },
  {
    title: 'Breakfast: what is on the table?',
    hoursAgo: 26,
    turns: [
      {
        text: '',
        pictures: [SCENES.table.picture],
        options: { style: 'json', fields: ['fruit', 'drink', 'colour of the bowl'] },
        answers: [
          {
            text: '```json\n{\n  "fruit": "apple, orange, banana",\n  "drink": "milk",\n  "colour of the bowl": "blue"\n}\n```',
            stats: STATS,
          },
        ],
      },
      {
        text: 'Describe the bowl in every detail you can find.',
        answers: [
          {
            text: 'The bowl is wide and shallow, with a smooth blue glaze. Its rim is a darker tone, and inside',
            status: 'interrupted',
          },
        ],
      },
    ],
  },
  {
    title: '夕阳下的港湾',
    hoursAgo: 50,
    turns: [
      {
        text: '请描述这张图片。',
        pictures: [SCENES.harbour.picture],
        options: { style: 'detailed' },
        answers: [{ text: SAIL_ZH, stats: STATS }],
      },
    ],
  },
  {
    title: 'Is the bicycle in front of the bakery?',
    hoursAgo: 24 * 5,
    turns: [
      {
        text: 'The bicycle stands in front of the bakery.',
        pictures: [SCENES.street.picture],
        options: { style: 'check' },
        answers: [
          {
            text: 'Not quite. The bicycle stands at the kerb before the **red brick house**; the bakery with the green sign is farther to the right.',
            stats: STATS,
            status: 'cut',
          },
        ],
      },
    ],
  },
  {
    title: 'Compare the two pictures',
    hoursAgo: 24 * 16,
    turns: [
      {
        text: 'What do these two pictures have in common?',
        pictures: [SCENES.harbour.picture, SCENES.dog.picture],
        answers: [
          {
            text: 'Both were taken by the water:\n\n| | Harbour | Beach |\n|---|---|---|\n| light | sunset | noon |\n| subject | boats | a dog |\n| people | none | none |',
            stats: STATS,
          },
        ],
      },
    ],
  },
];

const TITLES = [
  'Which flower is this?',
  '这是什么鸟？',
  'Read the sign at the door',
  '照片里有几个人？',
  'What could I cook with this?',
  '左边的建筑是什么风格？',
  'Find the keys on the desk',
  'Alt text for the poster',
];

/** `count` small chats, one every few hours. */
export function many(count: number): SeedThread[] {
  const scenes = Object.values(SCENES);
  return Array.from({ length: count }, (_, i) => {
    const title = TITLES[i % TITLES.length] ?? '';
    const scene = scenes[i % scenes.length];
    return {
      title: count > TITLES.length ? `${title} (${i + 1})` : title,
      hoursAgo: 24 * 8 + i * 7,
      turns: [
        {
          text: title,
          pictures: i % 3 === 0 || !scene ? [] : [scene.picture],
          answers: [{ text: `An answer to “${title}”.`, stats: STATS }],
        },
      ],
    };
  });
}
