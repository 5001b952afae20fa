import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { comparePicture, openBrowser, type PageOptions, type TestBrowser, type UserPage, violationsOf } from '#lib/testing/browser';
import { eventually } from '#lib/testing/eventually';
import { type RunningParley, startParley } from '#lib/testing/running-parley';

const found = await openBrowser();

describe.skipIf('missing' in found)(`how the console looks${'missing' in found ? ` (${found.missing})` : ''}`, () => {
  const browser = found as TestBrowser;
  let parley: RunningParley;
  let conversationId: string;
  const opened: UserPage[] = [];
  beforeAll(async () => {
    parley = await startParley({ stack: inject('stack') });
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

  const open = async (options: PageOptions): Promise<UserPage> => {
    const token = await parley.tokenOf({ user: 'alice', scopes: ['admin'] });
    const window = await browser.open(`${parley.url}/#/sign-in?token=${token}`, options);
    opened.push(window);
    await window.page.getByRole('searchbox').waitFor();
    return window;
  };
  const go = async ({ page }: UserPage, at: string, ready: string) => {
    await page.evaluate(`location.hash = '#${at}'`);
    await page.locator(ready).first().waitFor();
  };

  it.each([
    ['light', 'en'],
    ['dark', 'vi'],
  ] as const)('axe finds nothing in any room, %s, in the language %s', async (theme, language) => {
    const window = await open({ theme, language });
    const { page } = window;
    const violations: Record<string, readonly string[]> = {};
    violations['list'] = await violationsOf(page);
    await go(window, `/chat/${conversationId}`, 'li[data-seq="6"]');
    violations['conversation'] = await violationsOf(page);
    await page.locator('section header button').click();
    await page.getByRole('tab').nth(1).click();
    await page.getByRole('tabpanel').locator('input').first().fill('Who books the house?');
    await page.getByRole('tabpanel').getByRole('button').click();
    await page.getByRole('meter').waitFor();
    await page.getByRole('searchbox').fill('house');
    await page.locator('mark').first().waitFor();
    violations['search and context'] = await violationsOf(page);
    await page.getByRole('tab').nth(0).click();
    violations['members'] = await violationsOf(page);
    await page.locator('header button[aria-haspopup="menu"]').click();
    await page.getByRole('menu').waitFor();
    violations['settings'] = await violationsOf(page);
    await page.keyboard.press('Escape');
    await page.getByRole('searchbox').fill('');
    await page.locator('aside button').first().click();
    await page.getByRole('dialog').waitFor();
    violations['dialog'] = await violationsOf(page);
    await page.keyboard.press('Escape');
    await go(window, '/pipeline', 'main h2');
    violations['pipeline'] = await violationsOf(page);
    await go(window, '/repair', 'main h2');
    violations['repair'] = await violationsOf(page);
    await page.evaluate('sessionStorage.clear()');
    await page.reload();
    await page.locator('form textarea').waitFor();
    violations['sign-in'] = await violationsOf(page);
    expect(Object.fromEntries(Object.entries(violations).filter(([, lines]) => lines.length > 0))).toEqual({});
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
