/** The Worker of the sample: calls libc and says that it is there. */
import { errno, libc } from "../../../../ffi/libc.ts";

declare const self: Worker;

const returned = libc.close(-1);
self.postMessage({ url: import.meta.url, returned, errno: errno() });
