import { useMessages } from '../../i18n/messages.js';
import { repairMessages } from './messages.js';

export default function RepairRoom() {
  const words = useMessages(repairMessages);
  return <h1>{words.title}</h1>;
}
