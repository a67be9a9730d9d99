/**
 * `npm run soak [-- MINUTES [SEED]]`: the soak with eight fake guests, and a real one where one can be booted. 60 minutes. Prints
 * what it measured; ends with 1 where an event is missing or there twice, or something grew.
 */
import { whyNoGuest } from "../support/guest.ts";
import { RealGuest } from "./real-guest.ts";
import { soak } from "./soak.ts";

const [minutes = "60", seed = `${Date.now() % 1_000_000_000}`] = process.argv.slice(2);
console.log(`${minutes} minutes, seed ${seed}`);
const without = await whyNoGuest("6.12");
if (without !== undefined) console.log(`without a real guest: ${without}`);
const makeVm = without === undefined ? (folder: string) => new RealGuest(folder) : undefined;
const result = await soak(Number(minutes) * 60, Number(seed), 8, makeVm);
console.log(JSON.stringify(result, undefined, 2));
process.exitCode = result.faults.length === 0 ? 0 : 1;
