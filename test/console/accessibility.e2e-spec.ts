import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Page } from 'playwright-core';
import {
  comparePicture,
  openBrowser,
  type PageOptions,
  speak,
  type TestBrowser,
  type UserPage,
  violationsInBothLanguages,
} from '#lib/testing/browser';
import { eventually } from '#lib/testing/eventually';
import { type RunningParley, startParley } from '#lib/testing/running-parley';

const found = await openBrowser();

describe.skipIf('missing' in found)(`how the console looks${'missing' in found ? ` (${found.missing})` : ''}`, () => {
  const browser = found as TestBrowser;
  let parley: RunningParley;
  let conversationId: string;
  const opened: UserPage[] = [];
  beforeAll(async () => {
    // What it looks like does not depend on how many processes it is.
    parley = await startParley({ stack: inject('stack'), embedded: true });
    const [alice, bob, carol] = await Promise.all(['alice', 'bob', 'carol'].map((user) => parley.client(user)));
    if (alice === undefined || bob === undefined || carol === undefined) throw new Error('no clients');
    const other = await bob.createConversation({ memberIds: ['alice'] });
    await bob.send(other.id, 'Did you see the quarterly numbers?');
    await bob.send(other.id, 'Call me when you are back.');
    ({ id: conversationId } = await alice.createConversation({ title: 'Weekend in Đà Lạt', memberIds: ['bob', 'carol'] }));
    await alice.send(conversationId, 'Shall we go to Đà Lạt on Saturday? I found a small house by the lake.');
    await bob.send(conversationId, 'Đi chứ! Mình lái xe được, khởi hành lúc sáu giờ sáng nhé?');
    await bob.send(conversationId, 'I can bring the tent too, in case the house is full.');
    await carol.send(conversationId, 'Count me in. Who books the house?');
    await alice.send(
      conversationId,
      'I do. It has three rooms and a kitchen, so let us cook on Saturday evening and buy vegetables at the market.',
    );
    const last = await bob.send(conversationId, 'Tuyệt vời!');
    await eventually(async () => {
      const states = Object.values((await bob.message(last.id)).pipeline);
      if (states.some((state) => state !== 'done')) throw new Error(states.join(', '));
    });
  });
  afterEach(async () => {
    const complaints = opened.flatMap((each) => each.complaints);
    await Promise.all(opened.splice(0).map(({ context }) => context.close()));
    if (complaints.length > 0) throw new Error(complaints.join('\n'));
  });
  afterAll(async () => {
    await browser.close();
    await parley?.stop();
  });

  const open = async (options: PageOptions, user = 'alice'): Promise<UserPage> => {
    const token = await parley.tokenOf({ user, scopes: ['admin'] });
    const window = await browser.open(`${parley.url}/#/sign-in?token=${token}`, options);
    opened.push(window);
    await window.page.getByRole('searchbox').waitFor();
    return window;
  };
  const go = async ({ page }: UserPage, at: string, ready: string) => {
    await page.evaluate(`location.hash = '#${at}'`);
    await page.locator(ready).first().waitFor();
  };

  it.each(['light', 'dark'] as const)('axe finds nothing in any part of the room Chat, %s, in both languages', async (theme) => {
    const window = await open({ theme });
    const { page } = window;
    const violations: Record<string, readonly string[]> = {};
    const look = async (part: string) => {
      violations[part] = await violationsInBothLanguages(page);
    };
    await look('list');
    await go(window, `/chat/${conversationId}`, 'li[data-seq="6"]');
    await page.getByRole('button', { name: 'Members, context, end' }).click();
    await look('conversation and members');
    await page.getByRole('tab', { name: 'Context' }).click();
    await page.getByLabel('Question of the agent').fill('Who books the house?');
    await page.getByRole('button', { name: 'Show window' }).click();
    await page.getByRole('meter').waitFor();
    await page.getByRole('searchbox').fill('house');
    await page.locator('mark').first().waitFor();
    await look('search and context');
    await page.getByRole('searchbox').fill('');
    await page.getByRole('button', { name: 'Settings' }).click();
    await page.getByRole('dialog').waitFor();
    await look('settings');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'New conversation' }).click();
    await page.getByRole('dialog').waitFor();
    await look('dialog');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    await page.evaluate('sessionStorage.clear()');
    await page.reload();
    await page.locator('form textarea').waitFor();
    await look('sign-in');
    expect(Object.fromEntries(Object.entries(violations).filter(([, lines]) => lines.length > 0))).toEqual({});
  });

  it('nothing is wider than a phone, or than a window at 200 % and 400 %, in both languages, however long names are', async () => {
    const long = await parley.client('alice-w');
    const name = 'm'.repeat(64);
    const { id } = await long.createConversation({ title: 'ấ'.repeat(200), memberIds: [name] });
    await (await parley.client(name)).send(id, `https://example.com/${'x'.repeat(500)}`);
    const window = await open({ width: 320, height: 640 }, 'alice-w');
    const { page } = window;
    const tooWide: string[] = [];
    const measure = async (part: string) => {
      for (const language of ['vi', 'en'] as const) {
        await speak(page, language);
        for (const [width, height] of [
          [360, 740],
          [640, 400],
          [320, 640],
        ] as const) {
          await page.setViewportSize({ width, height });
          // A drawing follows the new width a frame later.
          let found = await widerThanThePage(page);
          for (let look = 0; look < 20 && found.length > 0; look += 1) {
            await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn, 50)))');
            found = await widerThanThePage(page);
          }
          tooWide.push(...found.map((what) => `${part}, ${language}, ${width} x ${height}: ${what}`));
        }
      }
    };
    await measure('list');
    await go(window, `/chat/${id}`, 'li[data-seq="1"]');
    await measure('conversation');
    await page.getByRole('button', { name: 'Members, context, end' }).click();
    await page.getByRole('tab', { name: 'Members' }).waitFor();
    await measure('panel');
    await page.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('link', { name: 'Conversations' }).click();
    await page.getByRole('button', { name: 'Settings' }).click();
    await page.getByRole('dialog').waitFor();
    await measure('settings');
    await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
    await go(window, '/pipeline', '[data-node]');
    await page.locator('details').first().click();
    await measure('pipeline');
    await go(window, '/repair', 'main h2');
    await measure('repair');
    expect(tooWide).toEqual([]);
  });

  it.for([
    ['light', 'chat-light'],
    ['dark', 'chat-dark'],
  ] as const)('the chat looks as in the README, %s', async ([theme, name], { skip }) => {
    opened.push(await browser.open(`${parley.url}/#/sign-in?token=${await parley.tokenOf({ user: 'bob' })}`));
    const window = await open({ theme, width: 1_360, height: 820 });
    const { page } = window;
    await go(window, `/chat/${conversationId}`, 'li[data-seq="6"]');
    await page.getByRole('button', { name: 'Members, context, end' }).click();
    await page.getByRole('tab', { name: 'Context' }).click();
    await page.getByLabel('Question of the agent').fill('Who books the house?');
    await page.getByRole('button', { name: 'Show window' }).click();
    await page.getByRole('meter').waitFor();
    await eventually(async () => expect(await page.getByTitle('Sent, Delivered, Indexed, Scored').count()).toBe(6));
    await page.getByText('1 online').waitFor();
    await page.mouse.move(700, 20);
    await page.evaluate('document.activeElement.blur()');
    const difference = await comparePicture(window, browser, name);
    // Letters differ between versions of Chromium: pictures of another one are not compared.
    if (typeof difference !== 'number') return skip(difference.skipped);
    expect(difference).toBe(0);
  });
});

/** What sticks out of the page at its right, unless it scrolls inside of something: then nothing has to be scrolled in two directions. */
const widerThanThePage = (page: Page): Promise<string[]> =>
  page.evaluate<string[]>(`(() => {
    const scrolls = (element) => element !== null && (/auto|scroll|hidden|clip/.test(getComputedStyle(element).overflowX) && element.id !== 'content' || scrolls(element.parentElement));
    const content = document.getElementById('content');
    return [
      ...(content.scrollWidth > content.clientWidth ? ['the room by ' + (content.scrollWidth - content.clientWidth) + ' px'] : []),
      ...[...document.body.querySelectorAll('*')]
        .filter((element) => element.getBoundingClientRect().right > innerWidth + 1 && !scrolls(element.parentElement) && !element.closest('.visually-hidden'))
        .map((element) => element.outerHTML.slice(0, 120)),
    ];
  })()`);
