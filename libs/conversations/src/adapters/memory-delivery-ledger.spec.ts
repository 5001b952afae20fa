import { deliveryLedgerContract } from '../delivery-ledger.contract.js';
import { MemoryDeliveryLedger } from './memory-delivery-ledger.js';

deliveryLedgerContract('MemoryDeliveryLedger', async () => ({ ledger: new MemoryDeliveryLedger() }));
