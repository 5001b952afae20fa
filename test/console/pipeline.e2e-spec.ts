import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { queues } from '#lib/contracts/pipeline';
import {
  comparePicture,
  openBrowser,
  type PageOptions,
  type TestBrowser,
  type UserPage,
  violationsInBothLanguages,
} from '#lib/testing/browser';
import { eventually } from '#lib/testing/eventually';
import { FaultProxy } from '#lib/testing/fault-proxy';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { chromaIsAway, flowOf, showFixed } from './fixed-picture.js';
import { liveOf, openRoom } from './operators-room.js';

const found = await openBrowser();

describe.skipIf('missing' in found)(`the room Pipeline${'missing' in found ? ` (${found.missing})` : ''}`, () => {
  const browser = found as TestBrowser;
  let chroma: FaultProxy;
  let parley: RunningParley;
  const opened: UserPage[] = [];
  beforeAll(async () => {
    const stack = inject('stack');
    chroma = await FaultProxy.before(stack.chromaUrl);
    parley = await startParley({ stack, via: { CHROMA_URL: (url) => chroma.through(url) } });
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map(({ context }) => context.close()));
  });
  afterAll(async () => {
    await browser.close();
    await parley?.stop();
    await chroma?.stop();
  });

  const open = async (options: PageOptions = {}): Promise<UserPage> => {
    const window = await openRoom(browser, parley, 'pipeline', options);
    opened.push(window);
    return window;
  };
  const node = (page: Page, id: string) => page.locator(`[data-node="${id}"]`);

  it('draws each queue with its retries and dead letters, to be read with the keyboard and as a table', async () => {
    const { page, complaints } = await open();
    for (const [name, row] of Object.entries(queues)) {
      await node(page, `queue:${name}`).waitFor();
      expect(await page.locator(`[data-node="retry:${name}"], [data-node="dead:${name}"]`).count()).toBe(row.kind === 'events' ? 2 : 0);
    }
    // ops may have asked a process before it was ready.
    await eventually(
      async () => {
        const states = await page
          .locator('[data-node]')
          .evaluateAll((all) => all.map((each) => `${each.dataset['node']} ${each.dataset['state']}`));
        expect(states.filter((state) => !/ (running|idle|notConfigured|plain|empty)$/.test(state))).toEqual([]);
      },
      { timeoutMs: 30_000, what: 'everything runs' },
    );
    await page.getByText('Everything runs').waitFor();

    await page.getByRole('button', { name: 'clients' }).focus();
    await page.keyboard.press('ArrowRight');
    const focused = () => page.evaluate<string>('document.activeElement.getAttribute("aria-label")');
    expect(await focused()).toMatch(/^service (gateway|realtime), running, 1 of 1 ready/);
    await page.getByRole('button', { name: /^queue embedding\.messages/ }).focus();
    await page.keyboard.press('ArrowRight');
    expect(await focused()).toMatch(/^retry queue embedding\.messages/);
    await page.keyboard.press('ArrowRight');
    expect(await focused()).toBe('dead-letter queue embedding.messages, 0 dead letters');
    await page.keyboard.press('Enter');
    await page.getByRole('status').filter({ hasText: 'dead-letter queue embedding.messages' }).waitFor();

    await page.getByText('The same as a table').click();
    const row = page.getByRole('table', { name: 'Flow of messages' }).getByRole('row', { name: /^delivery\.push queue / });
    expect(await row.innerText()).toMatch(/queue\s+idle\s+0 waiting/);
    expect(complaints).toEqual([]);
  });

  it('follows a message hop by hop as it happens', async () => {
    const { page } = await open();
    const alice = await parley.client('alice');
    const { id: conversationId } = await alice.createConversation({ memberIds: [] });
    const { id } = await alice.send(conversationId, 'follow me');

    await page.locator(`[data-message="${id}"]`).click();
    const steps = page.getByRole('table', { name: 'Follow a message' });
    await steps.getByRole('row').nth(2).waitFor();
    // The way grows by itself once the message is indexed.
    await page.locator(`[data-message="${id}"]`).getByRole('img', { name: 'indexed', exact: true }).waitFor();
    await eventually(async () => expect(await steps.innerText()).toMatch(/embed|index/i));
    expect(await page.locator('[data-followed]').count()).toBeGreaterThan(0);

    // The charts draw its latencies, in the colours of their legend.
    await eventually(async () => expect(await page.evaluate<boolean>(hasBlueLines)).toBe(true), { timeoutMs: 30_000 });

    await page.getByLabel('Id of a message or event').fill('nothing-has-this-id');
    await page.getByRole('button', { name: 'Follow', exact: true }).click();
    await page.getByText('Nothing here knows this id').waitFor();
  });

  it('shows a queue that is paused because Chroma is away, and that it runs again', async () => {
    const { page } = await open();
    const queue = node(page, 'queue:embedding.messages');
    const alice = await parley.client('alice');
    const { id: conversationId } = await alice.createConversation({ memberIds: [] });

    await chroma.set({ kind: 'reset' });
    await eventually(
      async () => {
        await alice.send(conversationId, 'while Chroma is away');
        expect(await queue.getAttribute('data-state')).toBe('paused');
      },
      { timeoutMs: 40_000, everyMs: 500, what: 'the queue is drawn as paused' },
    );
    expect(await queue.textContent()).toMatch(/paused .* waiting/);
    const troubles = page.getByRole('list', { name: 'What needs a look' });
    expect(await troubles.innerText()).toMatch(/embedding\.messages[\s\S]*paused · since \d\d:\d\d:\d\d/);
    await eventually(async () => expect(await node(page, 'store:chroma').getAttribute('data-state')).toMatch(/degraded|down|breakerOpen/), {
      timeoutMs: 30_000,
    });

    await chroma.heal();
    await eventually(async () => expect(await queue.getAttribute('data-state')).toMatch(/idle|running/), {
      timeoutMs: 40_000,
      what: 'the queue runs again',
    });
  }, 150_000);

  it('says since when it is stale while the network is away, keeps what it showed, and is live again with it', async () => {
    const { page, context } = await open();
    await node(page, 'queue:embedding.messages').waitFor();
    await context.setOffline(true);
    await liveOf(page, 'stale').waitFor();
    expect(await liveOf(page, 'stale').innerText()).toMatch(/Stale since \d\d:\d\d:\d\d/);
    expect(await node(page, 'queue:embedding.messages').count()).toBe(1);
    await context.setOffline(false);
    await liveOf(page, 'live').waitFor();
  });

  it('is a sentence and nothing else for a user without the scope admin', async () => {
    const window = await browser.open(`${parley.url}/#/sign-in?token=${await parley.tokenOf({ user: 'alice' })}`);
    opened.push(window);
    const { page } = window;
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    for (const room of ['pipeline', 'repair']) {
      await page.evaluate(`location.hash = '#/${room}'`);
      await page.getByText('This room needs a token with the scope admin.').waitFor();
      expect(await page.locator('main').innerText()).toMatch(/^This room needs a token with the scope admin\. [^\n]*$/);
    }
    expect(asked.filter((url) => url.includes('/admin'))).toEqual([]);
  });

  it.each(['light', 'dark'] as const)('keeps WCAG 2.2 AA, %s, in both languages', async (theme) => {
    const { page, complaints } = await open({ theme });
    await node(page, 'queue:embedding.messages').waitFor();
    await page.locator('details').first().click();
    expect(await violationsInBothLanguages(page)).toEqual([]);
    expect(complaints).toEqual([]);
  });

  it('looks as the documentation shows it', async () => {
    const flow = await flowOf(parley);
    const window = await openRoom(browser, parley, 'pipeline', { theme: 'dark', height: 1_080 }, (page) =>
      showFixed(page, { flow, ...chromaIsAway }),
    );
    opened.push(window);
    await node(window.page, 'queue:embedding.messages').waitFor();
    const difference = await comparePicture(window, browser, 'pipeline');
    expect([0, expect.objectContaining({ skipped: expect.any(String) })]).toContainEqual(difference);
  });
});

/** Whether a chart has a line in the first colour; text and grid are grey. */
const hasBlueLines = `[...document.querySelectorAll('canvas')].some((canvas) => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 128 && data[i + 2] - data[i] > 60) return true;
  return false;
})`;
