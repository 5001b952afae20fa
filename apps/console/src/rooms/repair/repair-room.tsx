import { useMessages } from '../../i18n/messages.js';
import { LiveProvider, useLive } from '../live/live.js';
import { Room } from '../live/room.js';
import { Advice } from './advice.js';
import { Consistency } from './consistency.js';
import { DeadLetters } from './dead-letters.js';
import { repairMessages } from './messages.js';
import { Alerts, Breakers } from './status-cards.js';

/** What an operator mends, and what says that there is something to mend. */
export default function RepairRoom() {
  return (
    <LiveProvider>
      <Repair />
    </LiveProvider>
  );
}

function Repair() {
  const words = useMessages(repairMessages);
  const { picture } = useLive();
  const { alerts, queues, consistency, dependencies, advice } = picture;
  return (
    <Room title={words.title}>
      <Alerts alerts={alerts} />
      <DeadLetters queues={queues} />
      <Consistency consistency={consistency} />
      <Breakers dependencies={dependencies} />
      <Advice advice={advice} />
    </Room>
  );
}
