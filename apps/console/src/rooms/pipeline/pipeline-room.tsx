import { useMessages } from '../../i18n/messages.js';
import { pipelineMessages } from './messages.js';

export default function PipelineRoom() {
  const words = useMessages(pipelineMessages);
  return <h1>{words.title}</h1>;
}
