// What a process allocates on the JavaScript heap, garbage included: the sum of what the heap grew by between
// collections. Memory outside of it (buffers of chunks) does not count; their objects do.
import v8 from "node:v8";

/** Starts counting; the returned function stops it and returns bytes. */
export function countAllocations() {
  const profiler = new v8.GCProfiler();
  profiler.start();
  const start = v8.getHeapStatistics().used_heap_size;
  return () => {
    const end = v8.getHeapStatistics().used_heap_size;
    let from = start;
    let bytes = 0;
    for (const { beforeGC, afterGC } of profiler.stop()?.statistics ?? []) {
      bytes += Math.max(0, beforeGC.heapStatistics.usedHeapSize - from);
      from = afterGC.heapStatistics.usedHeapSize;
    }
    return bytes + Math.max(0, end - from);
  };
}
