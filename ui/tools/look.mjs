// Takes pictures of the page against the mock backend, to look at them: every page in both themes
// and languages and at several sizes. `npm run look`, or `npm run look -- chat zh dark` for those whose name
// has all the words (`light,dark` is one or the other). Needs Chromium: its path in CHROMIUM, else /usr/bin/chromium. Writes into shots/.
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { build, preview } from 'vite';

const words = process.argv.slice(2);
const sizes = { s: [900, 600], m: [1280, 800], l: [2560, 1440] };

const ask = async (page, text) => {
    await page.locator('.composer textarea').fill(text);
    await page.keyboard.press('Enter');
};
const attach = (page) => page.locator('.bar .icon-btn').first().click();

/** Name, address, and what to do before the picture is taken. */
const scenes = [
    ['welcome', 'model=none&state=empty'],
    ['known', 'model=none&state=empty&known=1'],
    [
        'found',
        'model=none&state=empty',
        async (page) => {
            await page.locator('.buttons .btn').first().click();
            await page.waitForTimeout(1100);
        },
    ],
    ['empty', 'state=empty'],
    ['practice', 'model=practice'],
    ['loading', 'model=loading'],
    ['failed', 'model=failed'],
    [
        'attached',
        'slow=4',
        async (page) => {
            await attach(page);
            await page.waitForTimeout(3300);
        },
    ],
    ['chat', 'open=2'],
    ['zhchat', 'open=1'],
    ['markdown', 'open=6'],
    ['interrupted', 'open=4'],
    [
        'looking',
        'slow=3',
        async (page) => {
            await attach(page);
            await ask(page, 'What is happening here?');
            await page.waitForTimeout(3800);
        },
    ],
    [
        'writing',
        '',
        async (page) => {
            await attach(page);
            await ask(page, 'What is happening here?');
            await page.waitForTimeout(5600);
        },
    ],
    [
        'pane',
        'open=2',
        async (page) => {
            await page.locator('.figure').last().click();
            await page.waitForTimeout(400);
        },
    ],
    [
        'seen',
        'open=2',
        async (page) => {
            await page.locator('.figure').last().click();
            await page.locator('.modes .btn').first().click();
            await page.waitForTimeout(400);
        },
    ],
    [
        'area',
        'open=1',
        async (page) => {
            await page.locator('.picture').first().click();
            await page.locator('.modes .btn').last().click();
            await page.waitForTimeout(300);
            const box = await page.locator('.pane .frame').boundingBox();
            await page.mouse.move(box.x + box.width * 0.35, box.y + box.height * 0.45);
            await page.mouse.down();
            await page.mouse.move(box.x + box.width * 0.7, box.y + box.height * 0.7, { steps: 4 });
        },
    ],
    [
        'region',
        'open=1',
        async (page) => {
            await page.locator('.picture').first().click();
            await page.locator('.modes .btn').last().click();
            await page.waitForTimeout(300);
            const box = await page.locator('.pane .frame').boundingBox();
            await page.mouse.move(box.x + box.width * 0.35, box.y + box.height * 0.45);
            await page.mouse.down();
            await page.mouse.move(box.x + box.width * 0.7, box.y + box.height * 0.7, { steps: 4 });
            await page.mouse.up();
        },
    ],
    [
        'search',
        'threads=60&open=2',
        async (page) => {
            await page.keyboard.press('Control+k');
            await page.keyboard.type('港湾');
            await page.waitForTimeout(500);
        },
    ],
    [
        'many',
        'threads=10000&open=1',
        async (page) => {
            const row = page.locator('.sidebar .row').nth(1);
            if (await row.isVisible()) {
                await row.hover();
                await row.locator('.more').click();
                await page.waitForTimeout(300);
            }
        },
    ],
    [
        'styles',
        'open=1',
        async (page) => {
            await page.locator('.bar .btn').first().click();
            await page.waitForTimeout(300);
        },
    ],
    [
        'advanced',
        'open=1',
        async (page) => {
            await page.locator('.bar .icon-btn').nth(1).click();
            await page.waitForTimeout(300);
        },
    ],
    [
        'form',
        'open=1',
        async (page) => {
            await page.locator('.bar .btn').first().click();
            await page.locator('[role=menuitemradio]').last().click();
            await page.waitForTimeout(300);
        },
    ],
    ['settings', 'open=1', (page) => page.keyboard.press('Control+,')],
    [
        'data',
        'open=1',
        async (page) => {
            await page.keyboard.press('Control+,');
            await page.locator('.page').evaluate((e) => e.scrollTo(0, 9999));
        },
    ],
    [
        'wipe',
        'open=1',
        async (page) => {
            await page.keyboard.press('Control+,');
            await page.locator('.btn.danger').click();
            await page.waitForTimeout(300);
        },
    ],
    [
        'shortcuts',
        'open=1',
        async (page) => {
            await page.keyboard.press('F1');
            await page.waitForTimeout(300);
        },
    ],
    [
        'errors',
        'open=1&notice=1',
        async (page) => {
            await ask(page, '/fail please');
            await page.waitForTimeout(2600);
            await page.locator('.sidebar .row .main').nth(3).focus();
            await page.keyboard.press('Delete');
            await page.waitForTimeout(500);
        },
    ],
    [
        'link',
        'open=1',
        async (page) => {
            await ask(page, '/hostile');
            await page.waitForTimeout(9000);
            await page.locator('.md .link').last().click();
            await page.waitForTimeout(300);
        },
    ],
    ['big', 'open=2&size=200'],
    ['tiny', 'open=2&size=80'],
];

const outDir = 'dist-mock';
await build({ mode: 'mock', logLevel: 'error', build: { outDir } });
// As strict as the window: see src-tauri/tauri.conf.json.
const policy =
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:";
const server = await preview({
    build: { outDir },
    preview: { port: 1421, headers: { 'Content-Security-Policy': policy } },
    logLevel: 'error',
});
const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
});
mkdirSync('shots', { recursive: true });

const wanted = [];
for (const [size, [width, height]] of Object.entries(sizes)) {
    for (const theme of ['light', 'dark']) {
        for (const lang of ['en', 'zh']) {
            for (const [name, query, act] of scenes) {
                const file = `${name}-${lang}-${theme}-${size}`;
                const parts = file.split('-');
                if (words.every((word) => word.split(',').some((w) => parts.includes(w)))) {
                    wanted.push({ file, query, act, theme, lang, viewport: { width, height } });
                }
            }
        }
    }
}

async function take({ file, query, act, theme, lang, viewport }) {
    const locale = lang === 'zh' ? 'zh-CN' : 'en-GB';
    const context = await browser.newContext({ viewport, locale });
    await context.addInitScript('Object.freeze(Object.prototype)');
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    page.on('pageerror', (error) => console.error(file, error.message));
    page.on('console', (m) => m.type() === 'error' && console.error(file, m.text()));
    try {
        await page.goto(`http://127.0.0.1:1421/?theme=${theme}&${query}`);
        await page.locator('.window').waitFor();
        await page.waitForTimeout(400);
        await act?.(page);
        await page.screenshot({ path: `shots/${file}.png` });
    } catch (error) {
        console.error(file, error.message);
    }
    await context.close();
}

const workers = Array.from({ length: 4 }, async () => {
    for (let next = wanted.shift(); next; next = wanted.shift()) await take(next);
});
await Promise.all(workers);
await browser.close();
await server.close();
