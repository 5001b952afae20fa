import { Module } from '@nestjs/common';
import { ConversationFeedPort } from '#lib/conversations/conversation-feed.port';
import { FanOutPort } from '#lib/live/fan-out/fan-out.port';
import { SubscriptionPort } from '#lib/live/fan-out/subscription.port';
import { PresencePort } from '#lib/live/presence/presence.port';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { Lifecycle } from '#lib/runtime/process/lifecycle';
import { PushToSockets } from '../push-to-sockets.js';
import { CatchUps } from './catch-ups.js';
import { FollowedConversations } from './followed-conversations.js';
import { HeadsWatch } from './heads-watch.js';
import { HistoryReader } from './history-reader.js';
import { LiveConversations } from './live-conversations.js';
import { PresenceSignals } from './presence-signals.js';
import { TypingSignals } from './typing-signals.js';

const liveConversations = (
  feed: ConversationFeedPort,
  subscription: SubscriptionPort,
  fanOut: FanOutPort,
  presence: PresencePort,
  lifecycle: Lifecycle,
  logger: Logger,
): LiveConversations => {
  const catchUps = new CatchUps(new HistoryReader(feed), feed, logger);
  const conversations = new FollowedConversations(feed, subscription, catchUps, logger);
  const live = new LiveConversations(conversations, catchUps, feed, subscription, new TypingSignals(fanOut), logger);
  const watch = new HeadsWatch(conversations, live, feed, subscription, logger);
  subscription.listen(new PushToSockets(conversations, live, watch));
  new PresenceSignals(feed, fanOut, logger).follow(presence);
  lifecycle.add({ name: 'heads watch', phase: 'background', start: () => watch.start(), stop: () => watch.stop() });
  return live;
};

/** LiveConversations: who of the sockets here hears what. Needs ConversationFeedPort of ConversationsModule and the ports of LiveModule. */
@Module({
  providers: [
    {
      provide: LiveConversations,
      inject: [ConversationFeedPort, SubscriptionPort, FanOutPort, PresencePort, Lifecycle, LOGGER],
      useFactory: liveConversations,
    },
  ],
  exports: [LiveConversations],
})
export class LiveConversationsModule {}
