import { NewDocument } from '#lib/contracts/documents';
import { cutDocument } from '../../../documents/cut-document.js';
import { bodyKind } from './body-kind.js';

/** `POST /v1/documents`: an object with three fields. */
export const documentBody = bodyKind({ route: 'POST /v1/documents', schema: NewDocument, maxValues: 16, make: cutDocument });
