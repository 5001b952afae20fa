import { Catch, type RpcExceptionFilter } from '@nestjs/common';
import { type Observable, throwError } from 'rxjs';

/**
 * Lets a handler's own error reach the bus, which decides by it between retry, dead letter and pause. Without this filter Nest replaces every
 * error by `{ status: 'error', message: 'Internal server error' }`.
 *
 *     const bus = app.connectMicroservice({ strategy: rabbitServer });
 *     bus.useGlobalFilters(new OriginalErrors());
 */
@Catch()
export class OriginalErrors implements RpcExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}
