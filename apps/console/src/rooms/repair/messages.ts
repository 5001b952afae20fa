import { messagesOf } from '../../i18n/messages.js';

export const repairMessages = messagesOf({ title: 'Repair' }, { title: 'Sửa chữa' });
