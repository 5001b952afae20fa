import { type ChannelModel, connect } from 'amqplib';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { EVENTS_EXCHANGE } from '#lib/contracts/pipeline';
import {
  comparePicture,
  openBrowser,
  type PageOptions,
  type TestBrowser,
  type UserPage,
  violationsInBothLanguages,
} from '#lib/testing/browser';
import { aMessageCreated } from '#lib/testing/builders';
import { eventually } from '#lib/testing/eventually';
import { PickyModel } from '#lib/testing/picky-model';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { chromaIsAway, showFixed, showFixedLetters } from './fixed-picture.js';
import { openRoom } from './operators-room.js';

const found = await openBrowser();
const POISON = 'this text is poison to the model';

describe.skipIf('missing' in found)(`the room Repair${'missing' in found ? ` (${found.missing})` : ''}`, () => {
  const browser = found as TestBrowser;
  let model: PickyModel;
  let parley: RunningParley;
  let connection: ChannelModel;
  const opened: UserPage[] = [];
  beforeAll(async () => {
    model = await PickyModel.start((text) => text === POISON);
    parley = await startParley({ stack: inject('stack'), env: model.settings });
    connection = await connect(parley.rabbitmqUrl, { timeout: 5_000 });
  });
  afterEach(async () => {
    const complaints = opened.flatMap((each) => each.complaints);
    await Promise.all(opened.splice(0).map(({ context }) => context.close()));
    if (complaints.length > 0) throw new Error(`the page complains: ${complaints.join('; ')}`);
  });
  afterAll(async () => {
    await browser.close();
    await connection?.close();
    await parley?.stop();
    model?.stop();
  });

  const open = async (options: PageOptions = {}): Promise<UserPage> => {
    const window = await openRoom(browser, parley, 'repair', options);
    opened.push(window);
    return window;
  };
  /** An event that breaks its schema is a dead letter at once. */
  const publishBroken = async (count: number) => {
    const channel = await connection.createConfirmChannel();
    for (let i = 0; i < count; i += 1) {
      const { conversationId: _, ...broken } = aMessageCreated();
      const properties = { messageId: broken.eventId, type: broken.type, contentType: 'application/json', persistent: true };
      channel.publish(EVENTS_EXCHANGE, 'message.created', Buffer.from(JSON.stringify(broken)), properties);
    }
    await channel.waitForConfirms();
    await channel.close();
  };

  const rowsOf = (page: Page) => page.getByRole('row').filter({ hasText: 'Reject' });
  /** Shows the dead letters of one queue alone, and waits until so many are there. */
  const find = async (page: Page, queue: string, least: number): Promise<void> => {
    await page.getByLabel('Queue', { exact: true }).selectOption(queue);
    await page.getByRole('button', { name: 'Find' }).click();
    await eventually(async () => {
      const texts = await rowsOf(page).allInnerTexts();
      expect([texts.length >= least, texts.filter((text) => !text.includes(queue))]).toEqual([true, []]);
    });
  };
  /** Plans a replay of all that is shown. @returns the button that does it, and of how many. */
  const planAll = async (page: Page) => {
    await page.getByLabel('Select all that are shown').check();
    await page.getByRole('button', { name: 'Replay …' }).click();
    const button = page.getByRole('dialog').getByRole('button', { name: /^Replay \d+$/ });
    return { button, count: Number((await button.innerText()).replace(/\D/g, '')) };
  };

  it('finds a poison message, shows its payload, replays it after its cause is gone, and sees it arrive', async () => {
    const alice = await parley.client('alice');
    const { id: conversationId } = await alice.createConversation({ memberIds: [] });
    const { page } = await open();
    await page.getByText('No dead letters.').waitFor();
    const { id: messageId } = await alice.send(conversationId, POISON);

    // It comes into the list by itself, after its retries.
    const row = page.getByRole('row').filter({ hasText: 'TextRejected' });
    await row.waitFor({ timeout: 60_000 });
    await row.getByRole('button', { name: 'Payload' }).click();
    const detail = page.getByRole('region', { name: /^Payload / });
    await detail.getByText(messageId).first().waitFor();
    expect(await detail.innerText()).toContain('does not take this text');

    model.refuses = () => false;
    await row.getByRole('checkbox').check();
    await page.getByRole('button', { name: 'Replay …' }).click();
    const dialog = page.getByRole('dialog', { name: 'Replay 1 dead letter' });
    await dialog.getByText('1 goes back to embedding.messages').waitFor();
    // It only looked: the message is as the dead letter left it.
    await eventually(async () => expect((await alice.message(messageId)).pipeline.embedding).toBe('failed'));
    await dialog.getByRole('button', { name: 'Replay 1' }).click();
    await dialog.getByText('1 of 1 replayed.').waitFor();
    await dialog.getByRole('button', { name: 'Close' }).click();
    await page.getByText('No dead letters.').waitFor();

    await page.locator('nav a[href="#/pipeline"]').click();
    await page.locator(`[data-message="${messageId}"]`).getByRole('img', { name: 'indexed', exact: true }).waitFor();
    await page.locator('[data-node="dead:embedding.messages"][data-state="empty"]').waitFor();
    await eventually(async () =>
      expect((await alice.search({ q: POISON, mode: 'dense', conversationId })).items.map(({ message }) => message.id)).toContain(
        messageId,
      ),
    );
  }, 150_000);

  it('asks before it discards, names how many, and removes these alone', async () => {
    await publishBroken(3);
    const { page } = await open();
    // Each of the queues that hear it has given up on it.
    const rows = rowsOf(page);
    await find(page, 'delivery.messages', 3);
    const all = await rows.count();
    const ids = await rows.locator('code').evaluateAll((codes) => codes.map((code) => code.title));
    // By their ids: a list that is read again may have another order.
    const withId = (id: string | undefined) => rows.filter({ has: page.locator(`code[title="${id}"]`) });
    const [first, second] = [withId(ids[0]), withId(ids[1])];
    await first.getByRole('checkbox').check();
    await second.getByRole('checkbox').check();
    await page.getByRole('button', { name: 'Discard …' }).click();
    const dialog = page.getByRole('dialog', { name: 'Discard 2 dead letters' });
    await dialog.getByText('2 of delivery.messages are removed for good, and cannot be brought back.').waitFor();
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    expect(await rows.count()).toBe(all);

    await first.getByRole('checkbox').check();
    await second.getByRole('checkbox').check();
    await page.getByRole('button', { name: 'Discard …' }).click();
    await dialog.getByRole('button', { name: 'Discard 2 for good' }).click();
    await dialog.getByText('2 of 2 discarded.').waitFor();
    await dialog.getByRole('button', { name: 'Close' }).click();
    await eventually(async () => expect(await rows.count()).toBe(all - 2));
    expect(await withId(ids[2]).count()).toBe(1);
  });

  it('replays at a rate with progress, and says what has died again', async () => {
    const { page } = await open();
    await publishBroken(4);
    await page.getByLabel('Text in id, error or payload').fill('conversationid');
    await find(page, 'scoring.messages', 4);
    const { button, count } = await planAll(page);
    const dialog = page.getByRole('dialog');
    expect(count).toBeGreaterThanOrEqual(4);
    await dialog.getByLabel('At most so many each second').fill('2');
    await Promise.all([dialog.getByRole('progressbar').waitFor(), button.click()]);
    await dialog.getByText(`${count} of ${count} replayed.`).waitFor();
    await dialog.getByText(`${count} have died again since.`).waitFor();
  });

  it('stops what runs when its dialog is left with Escape, and says how far it came', async () => {
    const { page } = await open();
    await publishBroken(4);
    await find(page, 'delivery.messages', 4);
    const { button, count } = await planAll(page);
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('At most so many each second').fill('0.5');
    await Promise.all([dialog.getByRole('progressbar').waitFor(), button.click()]);
    await page.keyboard.press('Escape');
    await dialog.getByText('You stopped it: the others stay where they are.').waitFor();
    expect(await dialog.getByText(new RegExp(`^\\d of ${count} replayed\\.$`)).count()).toBe(1);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
  });

  it('compares messages and vectors, and repairs after it has asked', async () => {
    const { page } = await open();
    const card = page.getByRole('region', { name: 'Messages and vectors' });
    await card.getByRole('button', { name: 'Compare now' }).click();
    await card.getByText(/Last: comparison, ordered by olga/).waitFor();
    await card.getByRole('button', { name: 'Repair …' }).click();
    const dialog = page.getByRole('dialog', { name: 'Repair what is out of step' });
    await dialog.getByText('Messages are not changed.').waitFor();
    await dialog.getByRole('button', { name: 'Compare and repair' }).click();
    await card.getByText(/Last: repair, ordered by olga/).waitFor();
    expect(await card.innerText()).toMatch(/\d+ messages to be indexed again, \d+ vectors removed/);
  });

  it('shows alerts, breakers, and advice with its numbers, refusals included', async () => {
    const { page } = await open();
    await page
      .getByRole('region', { name: 'Circuit breakers' })
      .getByText(/closed|open/)
      .first()
      .waitFor();
    await page.getByRole('region', { name: 'Alerts' }).getByText('told to the log').waitFor();
    const advice = page.getByRole('region', { name: 'Scaling advice' });
    const gateway = advice.getByRole('listitem').filter({ hasText: 'gateway' }).first();
    await gateway.getByText('nothing').waitFor();
    await gateway.getByText('Numbers and checks').click();
    expect(await gateway.innerText()).toMatch(/step \d+ of the procedure/);
  });

  it.each(['light', 'dark'] as const)('keeps WCAG 2.2 AA, %s, in both languages', async (theme) => {
    await publishBroken(1);
    const { page } = await open({ theme });
    await page.locator('tbody input[type=checkbox]').first().check();
    await page.getByRole('button', { name: 'Payload' }).first().click();
    expect(await violationsInBothLanguages(page)).toEqual([]);
    await page.getByRole('button', { name: 'Replay …' }).click();
    await page.getByRole('dialog').locator('form').waitFor();
    expect(await violationsInBothLanguages(page)).toEqual([]);
  });

  it('looks as the documentation shows it', async () => {
    const window = await openRoom(browser, parley, 'repair', { height: 1_200 }, async (page) => {
      await showFixed(page, chromaIsAway);
      await showFixedLetters(page);
    });
    opened.push(window);
    const { page } = window;
    await page.getByRole('button', { name: 'Payload' }).nth(1).click();
    await page.getByText('"messageId"').waitFor();
    const differences = [await comparePicture(window, browser, 'repair')];
    await page.getByLabel('Select all that are shown').check();
    await page.getByRole('button', { name: 'Replay …' }).click();
    await page.getByRole('button', { name: 'Replay 2' }).waitFor();
    differences.push(await comparePicture(window, browser, 'repair-replay'));
    const alike = [0, expect.objectContaining({ skipped: expect.any(String) })];
    for (const difference of differences) expect(alike).toContainEqual(difference);
  });
});
