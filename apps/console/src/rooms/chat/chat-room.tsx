import { useMessages } from '../../i18n/messages.js';
import { chatMessages } from './messages.js';

export default function ChatRoom() {
  const words = useMessages(chatMessages);
  return <h1>{words.title}</h1>;
}
