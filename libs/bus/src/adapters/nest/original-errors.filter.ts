import { Catch, type RpcExceptionFilter } from '@nestjs/common';
import { type Observable, throwError } from 'rxjs';

/**
 * Lets a handler's own error reach the bus, which decides by it between retry, dead letter and pause. Without this filter Nest replaces every
 * error by `{ status: 'error', message: 'Internal server error' }`.
 *
 *     app.connectMicroservice({ strategy: rabbitServer }, { deferInitialization: true }).useGlobalFilters(new OriginalErrors());
 *
 * Deferred, because Nest wires the handlers of a microservice at once and then takes no more filters.
 */
@Catch()
export class OriginalErrors implements RpcExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}
