import { SimError } from "../errors.ts";
import { Machine, type MachineSpec } from "./topology.ts";

const cyclesAt24 = (cycles: number): number => cycles / 2.4;

/** The machines on offer. Figures marked *assumed* have no published source. */
export const MACHINES: readonly MachineSpec[] = [
  {
    name: "broadwell-56",
    title: "2 x 14 cores x 2 threads, Xeon E5-2690 v4 class, 2.6 GHz",
    shape: [2, 1, 14, 2],
    ghz: 2.6,
    transferNs: { sibling: 8.3, socket: 45.2, remote: 127.5 },
    source: "published core-to-core latencies; interrupts assumed",
  },
  {
    name: "cascadelake-64",
    title: "2 x 16 cores x 2 threads, 2.8 GHz",
    shape: [2, 1, 16, 2],
    ghz: 2.8,
    transferNs: { sibling: 7.4, socket: 48, remote: 136 },
    socketGBps: 60,
    source: "published core-to-core latencies; interrupts and bandwidth assumed",
  },
  {
    name: "icelake-128",
    title: "2 x 32 cores x 2 threads, 2.9 GHz",
    shape: [2, 1, 32, 2],
    ghz: 2.9,
    transferNs: { sibling: 8.1, socket: 51, remote: 108 },
    socketGBps: 90,
    source: "published core-to-core latencies; interrupts and bandwidth assumed",
  },
  {
    name: "milan-192",
    title: "2 x 6 clusters x 8 cores x 2 threads, 2.6 GHz",
    shape: [2, 6, 8, 2],
    ghz: 2.6,
    transferNs: { sibling: 9.8, cluster: 23, socket: 107, remote: 197 },
    socketGBps: 90,
    source: "published core-to-core latencies; interrupts and bandwidth assumed",
  },
  {
    name: "e7-8870",
    title: "8 x 10 cores, 2.4 GHz, the 80-core machine of the 2012 and 2013 papers",
    shape: [8, 1, 10, 1],
    ghz: 2.4,
    transferNs: { socket: cyclesAt24(90), remote: cyclesAt24(440), farRemote: cyclesAt24(660) },
    socketGBps: 15,
    ipiSendCycles: 5000,
    ipiDeliveryCycles: 200,
    ipiHandlerCycles: 1000,
    wakeShallowNs: 48_000,
    placement: "fill",
    source: "derived from published averages over cores; bandwidth assumed",
  },
  {
    name: "opteron-8431",
    title: "8 x 6 cores, 2.4 GHz",
    shape: [8, 1, 6, 1],
    ghz: 2.4,
    transferNs: { socket: cyclesAt24(100), remote: cyclesAt24(400), farRemote: cyclesAt24(550) },
    socketGBps: 10,
    placement: "fill",
    source: "in-socket figure published; remote figures and bandwidth assumed",
  },
  {
    name: "phone-8",
    title: "1 socket, 2 clusters of 4 cores, 2.0 GHz",
    shape: [1, 2, 4, 1],
    ghz: 2,
    transferNs: { cluster: 30, socket: 60 },
    socketGBps: 20,
    source: "assumed",
  },
  {
    name: "assumed-512",
    title: "8 x 4 clusters x 8 cores x 2 threads, 2.6 GHz, an invented large machine",
    shape: [8, 4, 8, 2],
    ghz: 2.6,
    transferNs: { sibling: 9, cluster: 25, socket: 80, remote: 180, farRemote: 300 },
    socketGBps: 90,
    source: "assumed",
  },
];

/** Builds the machine with this name. ENOENT, with the names on offer, if there is none. */
export function machineByName(name: string): Machine {
  const spec = MACHINES.find((one) => one.name === name);
  if (!spec) {
    throw new SimError(
      "ENOENT",
      `unknown machine "${name}"; known: ${MACHINES.map((one) => one.name).join(", ")}`,
    );
  }
  return new Machine(spec);
}
