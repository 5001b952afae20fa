import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { openBrowser, type PageOptions, type TestBrowser, type UserPage } from '#lib/testing/browser';
import { eventually } from '#lib/testing/eventually';
import type { ParleyClient } from '#lib/testing/parley-client';
import { type RunningParley, startParley } from '#lib/testing/running-parley';

const found = await openBrowser();

describe.skipIf('missing' in found)(`the room Chat${'missing' in found ? ` (${found.missing})` : ''}`, () => {
  const browser = found as TestBrowser;
  let parley: RunningParley;
  const opened: UserPage[] = [];
  beforeAll(async () => {
    parley = await startParley({ stack: inject('stack') });
  });
  afterEach(async () => {
    const complaints = opened.flatMap((each) => each.complaints);
    await Promise.all(opened.splice(0).map(({ context }) => context.close()));
    // No script error, and nothing that the policy of the page refuses, in any test.
    if (complaints.length > 0) throw new Error(complaints.join('\n'));
  });
  afterAll(async () => {
    await browser.close();
    await parley?.stop();
  });

  const open = async (user: string, at = '/chat', options: PageOptions = {}): Promise<UserPage> => {
    const window = await browser.open(`${parley.url}/#/sign-in?token=${await parley.tokenOf({ user })}`, options);
    opened.push(window);
    await window.page.getByRole('searchbox').waitFor();
    await window.page.evaluate(`location.hash = '#${at}'`);
    return window;
  };
  const conversation = async (client: ParleyClient, title: string, ...memberIds: string[]) =>
    client.createConversation({ title, memberIds });
  const composer = (page: Page) => page.locator('textarea').first();
  const say = async (page: Page, text: string) => {
    await composer(page).fill(text);
    await composer(page).press('Enter');
  };
  /** What the page shows of the conversation, without what is still on its way. */
  const shown = (page: Page) =>
    page.evaluate<string[]>(`[...document.querySelectorAll('li[data-seq]')].map((row) => row.querySelector('p')?.textContent ?? '')`);

  it('lets two browsers chat, in Vietnamese too, and shows each step of a message as it happens', async () => {
    const [alice, bob] = await Promise.all([open('alice'), open('bob')]);
    await alice.page.getByRole('button', { name: 'New conversation' }).click();
    await alice.page.getByLabel('Members').fill('bob');
    await alice.page.getByLabel('Title').fill('Lunch');
    await alice.page.getByRole('button', { name: 'Start conversation' }).click();
    await alice.page.getByRole('heading', { name: 'Lunch' }).waitFor();
    await say(alice.page, 'Chiều nay đi uống cà phê nhé?');

    await bob.page.getByRole('link', { name: /Lunch.*1 unread/ }).click();
    await bob.page.locator('li[data-seq="1"]').getByText('Chiều nay đi uống cà phê nhé?').waitFor();
    // A signal of typing is not kept for later: bob goes on until alice sees one.
    await eventually(
      async () => {
        await composer(bob.page).pressSequentially('Ừ, ');
        expect(await alice.page.getByText('bob is typing').count()).toBe(1);
      },
      { timeoutMs: 30_000, everyMs: 200, what: 'alice sees that bob types' },
    );
    await alice.page.getByText('online').first().waitFor();
    await say(bob.page, 'Ừ, ba giờ nhé!');
    await alice.page.locator('li[data-seq="2"]').getByText('Ừ, ba giờ nhé!').waitFor();

    const first = alice.page.locator('li[data-seq="1"]');
    await first.getByTitle('Sent, Delivered, Indexed, Scored').waitFor();
    await alice.page.getByText('Read by bob').waitFor();

    await first.hover();
    await first.getByRole('button', { name: 'Edit' }).click();
    await alice.page.getByLabel('New text').fill('Chiều nay đi uống trà nhé?');
    await alice.page.getByRole('button', { name: 'Save' }).click();
    await bob.page.locator('li[data-seq="1"]').getByText('Chiều nay đi uống trà nhé?').waitFor();
    await bob.page.locator('li[data-seq="1"]').getByText('edited').waitFor();
    await first.hover();
    await first.getByRole('button', { name: 'Delete' }).click();
    await alice.page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await bob.page.locator('li[data-seq="1"]').getByText('Deleted').waitFor();
    expect(await shown(bob.page)).toEqual(['', 'Ừ, ba giờ nhé!']);
  });

  it('heals after its network was away, without a missing or a doubled message, and says so meanwhile', async () => {
    const bob = await parley.client('bob-n');
    const { id } = await conversation(bob, 'Network', 'alice-n');
    const alice = await open('alice-n', `/chat/${id}`);
    await alice.page.getByText('This is where the conversation begins.').or(alice.page.getByText('No messages yet')).first().waitFor();
    await say(alice.page, 'before');
    await alice.page.locator('li[data-seq="1"]').waitFor();

    await alice.context.setOffline(true);
    await alice.page.getByText('You are offline').waitFor();
    for (let i = 1; i <= 5; i += 1) await bob.send(id, `from bob ${i}`);
    await say(alice.page, 'written offline');
    await say(alice.page, 'written offline too');
    await alice.page.getByText('Waiting for the connection').or(alice.page.getByText('Sending')).first().waitFor();
    // The network was away for real: nothing came.
    expect(await shown(alice.page)).toEqual(['before']);
    await alice.context.setOffline(false);

    const wanted = (texts: readonly string[]) => [...texts].sort();
    const all = ['before', ...[1, 2, 3, 4, 5].map((i) => `from bob ${i}`), 'written offline', 'written offline too'];
    await eventually(async () => expect(wanted(await shown(alice.page))).toEqual(wanted(all)), {
      timeoutMs: 30_000,
      what: 'all is shown once',
    });
    const { items } = await bob.messages(id);
    expect(items.map(({ content }) => content)).toEqual(await shown(alice.page));
    expect(await alice.page.locator('li[data-pending]').count()).toBe(0);
    await alice.page.getByText('You are offline').waitFor({ state: 'hidden' });
  });

  it('keeps what is written through a look at another room without a network, and lists what began meanwhile', async () => {
    const bob = await parley.client('bob-r');
    const { id } = await conversation(bob, 'First', 'alice-r');
    const { page, context } = await open('alice-r', `/chat/${id}`);
    await page.getByText('No messages yet').first().waitFor();
    await context.setOffline(true);
    await page.getByText('You are offline').waitFor();
    await say(page, 'written offline');
    await composer(page).fill('a draft');
    await conversation(bob, 'Begun meanwhile', 'alice-r');
    await bob.send(id, 'while you were away');
    await page.evaluate(`location.hash = '#/pipeline'`);
    await page.getByText('This room needs a token').waitFor();
    await context.setOffline(false);
    const both = ['while you were away', 'written offline'];
    await eventually(async () => expect((await bob.messages(id)).items.map(({ content }) => content).sort()).toEqual(both), {
      timeoutMs: 30_000,
      what: 'what was written is sent from the other room',
    });

    await page.getByRole('link', { name: 'Chat' }).click();
    await page.getByRole('link', { name: /Begun meanwhile/ }).waitFor();
    // It has arrived, and has not been seen.
    await page.getByRole('link', { name: /First.*1 unread/ }).click();
    // Its acknowledgement may come after the page that has it already.
    await eventually(async () => expect([(await shown(page)).sort(), await page.locator('li[data-pending]').count()]).toEqual([both, 0]));
    expect(await composer(page).inputValue()).toBe('a draft');
  });

  it('can be used with the keyboard alone', async () => {
    const alice = await parley.client('alice-k');
    await conversation(alice, 'Keys', 'bob-k');
    const { page } = await open('alice-k');
    const focused = () =>
      page.evaluate<string>(`(document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent ?? '').trim()`);
    const tabTo = async (name: RegExp) => {
      for (let i = 0; i < 40; i += 1) {
        if (name.test(await focused())) return;
        await page.keyboard.press('Tab');
      }
      throw new Error(`Tab does not reach ${String(name)}`);
    };
    await page.getByRole('link', { name: 'Keys' }).waitFor();
    await tabTo(/^Skip to content$/);
    await page.keyboard.press('Enter');
    await tabTo(/^Keys/);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Keys' }).waitFor();
    await tabTo(/^Write a message$/);
    await page.keyboard.type('typed');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('by keyboard');
    await page.keyboard.press('Enter');
    await page.locator('li[data-seq="1"]').waitFor();
    expect(await shown(page)).toEqual(['typed\nby keyboard']);
    await page.keyboard.press('Shift+Tab');
    await tabTo(/^Edit$/).catch(async () => {
      for (let i = 0; i < 6 && (await focused()) !== 'Edit'; i += 1) await page.keyboard.press('Shift+Tab');
    });
    expect(await focused()).toBe('Edit');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    await eventually(async () => expect(await focused()).toBe('Edit'));
  });

  it('shows what others write as text, whatever it is', async () => {
    const mallory = await parley.client('mallory');
    const { id } = await conversation(mallory, '<img src=x onerror=alert(1)>', 'alice-h');
    const hostile = [
      '<script>alert(1)</script><img src=x onerror="alert(1)"><b>bold</b>',
      'safe \u202ecod.exe\u202c end',
      '[link](javascript:alert(1)) javascript:alert(1) {{7*7}} ${7*7}',
      `coffee <mark>not a hit</mark> &lt;b&gt; ${'😀漢字ấ'.repeat(3_000)}`.slice(0, 16_000),
      'e\u0301\u0323'.repeat(500),
    ];
    for (const text of hostile) await mallory.send(id, text);
    const { page } = await open('alice-h', `/chat/${id}`);
    let asked = 0;
    page.on('dialog', (dialog) => {
      asked += 1;
      void dialog.dismiss();
    });
    await page.locator(`li[data-seq="${hostile.length}"]`).waitFor();
    await page.getByRole('button', { name: 'Show all' }).first().click();
    const texts = await shown(page);
    expect(texts.slice(0, 4)).toEqual(hostile.slice(0, 4));
    expect(await page.locator('li[data-seq] :is(img, script, b, a, mark)').count()).toBe(0);
    // Whatever its content, no message makes the page wider.
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    await eventually(async () => expect((await mallory.search({ q: 'coffee' })).items.length).toBe(1));
    await page.getByRole('searchbox').fill('coffee');
    await page.locator('mark').getByText('coffee').waitFor();
    expect(await page.locator('mark').allTextContents()).toEqual(['coffee']);
    expect(await page.getByText('<mark>not a hit</mark>').count()).toBeGreaterThan(0);
    expect(asked).toBe(0);
  });

  it('searches while the user types, shows why a hit is where it is, and opens it in its place', async () => {
    const alice = await parley.client('alice-s');
    const { id } = await conversation(alice, 'Long', 'bob-s');
    await alice.send(id, 'The quarterly report is due on Friday');
    for (let i = 0; i < 120; i += 1) await alice.send(id, `filler ${i}`);
    const { page } = await open('alice-s', `/chat/${id}`);
    await page.locator('li[data-seq="121"]').waitFor();
    let searches = 0;
    page.on('request', (request) => (searches += request.url().includes('/v1/search') ? 1 : 0));
    // How often the typist rested, by the clock of the page: keys come slowly on a busy machine.
    await page.evaluate(`
      globalThis.rests = 0;
      let before = Infinity;
      document.addEventListener('input', ({ timeStamp }) => {
        if (timeStamp - before > 200) globalThis.rests += 1;
        before = timeStamp;
      });
    `);
    await eventually(async () => expect((await alice.search({ q: 'quarterly' })).items.length).toBeGreaterThan(0));
    await page.getByRole('searchbox').pressSequentially('quarterly report', { delay: 20 });
    const hit = page.getByRole('button', { name: /quarterly report is due/ });
    await hit.waitFor();
    await hit.getByText(/^words #1$/).waitFor();
    expect(searches).toBeLessThanOrEqual(1 + (await page.evaluate<number>('rests')));
    await hit.click();
    await page.locator('li[data-seq="1"][data-target]').waitFor();
    await page.getByRole('button', { name: /newer messages/ }).click();
    await page.locator('li[data-seq="121"]').waitFor();
    // The newest one is in view, and nothing is left to go to.
    await page.getByRole('button', { name: /newest|newer/ }).waitFor({ state: 'hidden' });
  });

  it('shows the context window of an agent with its tokens, and the score after the end', async () => {
    const alice = await parley.client('alice-e');
    const { id } = await conversation(alice, 'Ending', 'bob-e');
    for (const text of ['I love this music so much!', 'Do you know that song?', 'It makes me happy']) await alice.send(id, text);
    const { page } = await open('alice-e', `/chat/${id}`);
    await page.getByRole('button', { name: 'Members, context, end' }).click();
    await page.getByLabel('Add a member').fill('carol-e');
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByRole('tabpanel').getByText('carol-e').waitFor();
    await page.getByRole('tab', { name: 'Context' }).click();
    await page.getByLabel('Question of the agent').fill('Which song?');
    await page.getByRole('button', { name: 'Show window' }).click();
    await page.getByRole('meter').waitFor();
    expect(Number(await page.getByRole('meter').getAttribute('aria-valuenow'))).toBeGreaterThan(10);
    await page.getByRole('tab', { name: 'End' }).click();
    await page.getByRole('button', { name: 'End conversation' }).click();
    await page.getByText('Level').waitFor({ timeout: 30_000 });
    await page.getByText(/^[+-]?\d+ points?$/).waitFor();
    await page.getByText('What to do next').waitFor();
  });

  it('follows a burst of 200 messages a second, and pages through a long conversation, without freezing and with a bounded page', async () => {
    const bob = await parley.client('bob-l');
    const { id } = await conversation(bob, 'Burst', 'alice-l');
    const { page } = await open('alice-l', `/chat/${id}`);
    await page.getByText('No messages yet').first().waitFor();
    // A page that does nothing tells how long the machine itself stands still.
    const { page: idle } = await open('nobody-l');
    for (const each of [page, idle]) await each.evaluate(watchPauses);
    const count = 600;
    await Promise.all(
      Array.from({ length: 20 }, async (_, lane) => {
        for (let i = lane; i < count; i += 20) await bob.send(id, `burst ${i}: ${'words '.repeat(10)}`);
      }),
    );
    await page.locator(`li[data-seq="${count}"]`).waitFor();
    await page.getByRole('region', { name: 'Messages' }).focus();
    await eventually(
      async () => {
        await page.keyboard.press('Home');
        expect(await page.locator('li[data-seq="1"]').count()).toBe(1);
      },
      { timeoutMs: 30_000, what: 'the beginning is reached' },
    );
    const { longest, most } = await page.evaluate<{ longest: number; most: number }>('({ longest, most })');
    expect(most).toBeLessThanOrEqual(300);
    // Two busy cores run servers, services and two browsers here; alone it is a tenth of it.
    expect(longest).toBeLessThan(2_000 + 2 * (await idle.evaluate<number>('longest')));
  }, 120_000);

  it('says what to do when a token is refused or a conversation is not there', async () => {
    const { page } = await open('alice-p', '/chat/00000000-0000-7000-8000-000000000000');
    await page.getByText('It is not there, or you may not see it').waitFor();
    await page.evaluate(`sessionStorage.setItem('parley.token', sessionStorage.getItem('parley.token').replace(/.{8}$/, 'AAAAAAAA'))`);
    await page.reload();
    await page.getByText('The server does not accept the token any more').waitFor();
    expect(await page.evaluate('sessionStorage.length')).toBe(0);
  });
});

/** Keeps in `longest` for how many milliseconds the page did nothing else than one thing, and in `most` the messages that it held. */
const watchPauses = `
  globalThis.longest = 0;
  globalThis.most = 0;
  let before = performance.now();
  const watch = () => {
    const now = performance.now();
    globalThis.longest = Math.max(globalThis.longest, now - before);
    globalThis.most = Math.max(globalThis.most, document.querySelectorAll('li[data-seq]').length);
    before = now;
    setTimeout(watch, 10);
  };
  watch();
`;
