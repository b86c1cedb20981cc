import Foundation
import HCSDevice
import HCSModel
import HCSSystem
import HCSTestSupport
import Testing

/// NVML that is not what it should be: another driver's, shuffled, or spoilt.
@Suite(.timeLimit(.minutes(5))) struct NVIDIAHostileTests {
    private func manager(_ made: MadeLibrary, timing: WorkerTiming = .patient, sweepsPerInventory: Int = 1000) throws
        -> DeviceManager
    {
        DeviceManager(
            sources: [
                VendorSource(
                    vendor: .nvidia,
                    kind: .simulated(libraryDirectory: made.directory.path, stateFile: made.directory.file("state")))
            ], executable: try workerExecutable(), timing: timing, sweepsPerInventory: sweepsPerInventory)
    }

    @Test(arguments: [1, 9, 18])
    func `a driver that went away under the library gets a new worker at once`(code: Int) async throws {
        // After the switch is thrown the old session is void; a process that opens the library then has a good one.
        let switched = try TemporaryDirectory()
        let made = try await MadeLibrary.nvml(
            """
            #include <unistd.h>
            static int opened_after = -1;
            static int is_void(void) {
                int thrown = access("\(switched.file("thrown"))", F_OK) == 0;
                if (opened_after < 0) opened_after = thrown;
                return thrown && !opened_after;
            }
            int nvmlDeviceGetTemperature(void *h, unsigned s, unsigned *t) { *t = 50; return is_void() ? \(code) : 0; }

            """)
        let manager = try manager(made, timing: WorkerTiming(call: .seconds(30), firstBackOff: .milliseconds(10)))
        let id = DeviceID("GPU-made")
        #expect(await manager.sample().samples[id]?.temperatureCelsius == 50)
        try switched.write("", to: "thrown")
        let status = try #require(await manager.sample().workers.first)
        #expect(status.reason == "device 0: NVML error \(code) (\(code))", "\(status)")
        #expect(await eventually { await manager.sample().samples[id]?.temperatureCelsius == 50 })
        #expect(await manager.statuses.first?.restarts == 1)
        await manager.stop()
    }

    @Test func `a card that moves to another index keeps its identity`() async throws {
        let switched = try TemporaryDirectory()
        let made = try await MadeLibrary(
            "libnvidia-ml.so.1",
            """
            #include <string.h>
            #include <unistd.h>
            typedef struct { unsigned long long total, free, used; } memory;
            static const char *uuids[] = {"GPU-a", "GPU-b"};
            int nvmlInit_v2(void) { return 0; }
            int nvmlDeviceGetCount_v2(unsigned *n) { *n = 2; return 0; }
            int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **h) {
                if (access("\(switched.file("gone"))", F_OK) == 0 && i == 1) return 15;
                if (access("\(switched.file("moved"))", F_OK) == 0) i = 1 - i;
                *h = (void *)uuids[i];
                return 0;
            }
            int nvmlDeviceGetUUID(void *h, char *s, unsigned n) { strncpy(s, h, n); return 0; }
            int nvmlDeviceGetMemoryInfo(void *h, memory *m) { m->total = 1ull << 34; m->used = h == uuids[0] ? 1 << 20 : 2 << 20; return 0; }

            """)
        let manager = try manager(made)
        #expect(await manager.inventory().map(\.id.uuid) == ["GPU-a", "GPU-b"])
        try switched.write("", to: "moved")
        #expect(await manager.inventory().map(\.id.uuid) == ["GPU-b", "GPU-a"])
        let samples = await manager.sample().samples
        #expect(samples[DeviceID("GPU-a")]?.memoryUsed == .mebibytes(1))
        #expect(samples[DeviceID("GPU-b")]?.memoryUsed == .mebibytes(2))
        // Index 1 is GPU-a's now.
        try switched.write("", to: "gone")
        let devices = await manager.inventory()
        #expect(devices.count == 2, "a lost card is remembered")
        let skipped = try #require(await manager.sample().workers.first?.skippedDevices)
        #expect(skipped == ["device 1: NVML error 15, was GPU-a"])
        await manager.stop()
    }

    @Test func `a process counts once, whatever lists name it, and lists may be long`() async throws {
        let made = try await MadeLibrary.nvml(
            """
            typedef struct { unsigned pid; unsigned long long used; unsigned gi, ci; } process;
            static int list(unsigned *n, process *p, unsigned first, unsigned count, unsigned long long used) {
                unsigned room = *n;
                *n = count;
                if (room < count) return 7;
                for (unsigned i = 0; i < count; i++) p[i] = (process){first + i, used, -1u, -1u};
                return 0;
            }
            int nvmlDeviceGetComputeRunningProcesses_v3(void *h, unsigned *n, process *p) { return list(n, p, 1, 100, 10); }
            int nvmlDeviceGetGraphicsRunningProcesses_v3(void *h, unsigned *n, process *p) { return list(n, p, 100, 2, 30); }
            int nvmlDeviceGetMPSComputeRunningProcesses_v3(void *h, unsigned *n, process *p) {
                int result = list(n, p, 99, 3, 20);
                if (result == 0) p[1].used = -1ull;
                return result;
            }

            """)
        let manager = try manager(made)
        let processes = try #require(await manager.sample().samples[DeviceID("GPU-made")]?.processes)
        let memory = Dictionary(uniqueKeysWithValues: processes.map { ($0.pid, $0.memory.bytes) })
        #expect(memory.count == 101)
        #expect(memory[1] == 10 && memory[99] == 20 && memory[100] == 30 && memory[101] == 30)
        await manager.stop()
    }

    @Test(arguments: [0x00, 0x01, 0x7f, 0x80, 0xff])
    func `garbage in every answer neither ends the worker nor becomes a figure`(byte: Int) async throws {
        let made = try await MadeLibrary("libnvidia-ml.so.1", Self.garbage(byte))
        let manager = try manager(made)
        for _ in 0..<8 {
            _ = await manager.inventory()
            let sweep = await manager.sample()
            let status = try #require(sweep.workers.first)
            #expect(status.restarts == 0 && status.state == .running, "\(status)")
            for sample in sweep.samples.values {
                for (key, value) in sample.signals.sorted {
                    #expect(key.signal.traits.plausible.contains(value), "\(key) = \(value)")
                }
                #expect(
                    sample.signals.values.count <= SignalReadings.limit && sample.processes.allSatisfy { $0.pid > 0 })
                #expect(sample.events.count <= DeviceSample.eventLimit)
            }
        }
        for device in await manager.devices {
            #expect(PrintableText.isIdentity(device.id.uuid) && device.details.links.count <= DeviceDetails.linkLimit)
            #expect(device.model.utf8.allSatisfy { (0x20...0x7e).contains($0) })
        }
        await manager.stop()
    }

    /// Every function succeeds and fills what it is given with one byte: text without an end, counts beyond any array,
    /// enumerations nobody knows.
    private static func garbage(_ byte: Int) -> String {
        func fill(_ name: String, _ sizes: Int...) -> String {
            let parameters = sizes.indices.map { ", void *a\($0)" }.joined()
            let body = sizes.enumerated().map { "memset(a\($0), \(byte), \($1));" }.joined(separator: " ")
            return "int \(name)(void *h\(parameters)) { \(body) return 0; }"
        }
        func indexed(_ name: String, _ arguments: String, _ size: Int) -> String {
            "int \(name)(void *h, \(arguments), void *a) { memset(a, \(byte), \(size)); return 0; }"
        }
        let text = ["Name", "Serial", "BoardPartNumber", "VbiosVersion"].map {
            "int nvmlDeviceGet\($0)(void *h, char *s, unsigned n) { memset(s, \(byte), n); return 0; }"
        }
        let lists = ["Compute", "Graphics", "MPSCompute"].map {
            """
            int nvmlDeviceGet\($0)RunningProcesses_v3(void *h, unsigned *n, void *p) {
                memset(p, \(byte), *n * 24ul); memset(n, \(byte), 4); return 0; }
            """
        }
        let functions = [
            fill("nvmlDeviceGetPciInfo_v3", 68), fill("nvmlDeviceGetNumGpuCores", 4),
            fill("nvmlDeviceGetUtilizationRates", 8), fill("nvmlDeviceGetPowerUsage", 4),
            fill("nvmlDeviceGetEnforcedPowerLimit", 4), fill("nvmlDeviceGetTotalEnergyConsumption", 8),
            fill("nvmlDeviceGetCurrentClocksEventReasons", 8), fill("nvmlDeviceGetEccMode", 4, 4),
            fill("nvmlDeviceGetRemappedRows", 4, 4, 4, 4), fill("nvmlDeviceGetRowRemapperHistogram", 20),
            fill("nvmlDeviceGetRetiredPagesPendingStatus", 4), fill("nvmlDeviceGetCurrPcieLinkGeneration", 4),
            fill("nvmlDeviceGetMaxPcieLinkGeneration", 4), fill("nvmlDeviceGetCurrPcieLinkWidth", 4),
            fill("nvmlDeviceGetMaxPcieLinkWidth", 4), fill("nvmlDeviceGetPcieReplayCounter", 4),
            fill("nvmlDeviceGetCudaComputeCapability", 4, 4), fill("nvmlDeviceGetMigMode", 4, 4),
            fill("nvmlDeviceGetMaxMigDeviceCount", 4), fill("nvmlDeviceGetGpuInstanceId", 4),
            fill("nvmlDeviceGetComputeInstanceId", 4), fill("nvmlDeviceGetAttributes_v2", 40),
            fill("nvmlDeviceGetSupportedEventTypes", 8),
            indexed("nvmlDeviceGetTemperature", "unsigned s", 4),
            indexed("nvmlDeviceGetTemperatureThreshold", "unsigned s", 4),
            indexed("nvmlDeviceGetClockInfo", "unsigned s", 4), indexed("nvmlDeviceGetMaxClockInfo", "unsigned s", 4),
            indexed("nvmlDeviceGetTotalEccErrors", "unsigned s, unsigned c", 8),
            indexed("nvmlDeviceGetMemoryErrorCounter", "unsigned s, unsigned c, unsigned l", 8),
            indexed("nvmlDeviceGetNvLinkState", "unsigned l", 4),
            indexed("nvmlDeviceGetNvLinkVersion", "unsigned l", 4),
            indexed("nvmlDeviceGetNvLinkRemotePciInfo_v2", "unsigned l", 68),
            indexed("nvmlDeviceGetNvLinkRemoteDeviceType", "unsigned l", 4),
            indexed("nvmlDeviceGetNvLinkErrorCounter", "unsigned l, unsigned c", 8),
        ]
        return """
            #include <string.h>
            int nvmlInit_v2(void) { return 0; }
            int nvmlSystemGetDriverVersion(char *s, unsigned n) { memset(s, \(byte), n); return 0; }
            int nvmlSystemGetCudaDriverVersion_v2(int *v) { memset(v, \(byte), 4); return 0; }
            int nvmlDeviceGetCount_v2(unsigned *n) { memset(n, \(byte), 4); if (*n == 0) *n = 1; return 0; }
            int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **h) { *h = (void *)(i + 1ul); return 0; }
            int nvmlDeviceGetMigDeviceHandleByIndex(void *c, unsigned i, void **h) { *h = (void *)(i + 1000ul); return 0; }
            int nvmlDeviceGetUUID(void *h, char *s, unsigned n) {
                memset(s, \(byte), n);
                if ((unsigned long)h % 2) memcpy(s, (char[]){'G', 'A' + (unsigned long)h % 26, 0}, 3);
                return 0;
            }
            int nvmlDeviceGetMemoryInfo_v2(void *h, unsigned long long *m) {
                memset(m + 1, \(byte), 32); if ((unsigned long)h % 3) m[1] = 1ull << 34; return 0; }
            int nvmlDeviceGetRetiredPages(void *h, unsigned c, unsigned *n, void *p) { memset(n, \(byte), 4); return 7; }
            int nvmlDeviceGetFieldValues(void *h, int n, char *f) { memset(f, \(byte), 40ul * n); return 0; }
            int nvmlEventSetCreate(void **s) { *s = (void *)1; return 0; }
            int nvmlEventSetFree(void *s) { return 0; }
            int nvmlDeviceRegisterEvents(void *h, unsigned long long t, void *s) { return 0; }
            int nvmlEventSetWait_v2(void *s, void **e, unsigned ms) {
                static unsigned long n; memset(e, \(byte), 32); if (n++ % 2) { e[0] = (void *)1; e[1] = (void *)8; } return 0; }

            """ + (text + lists + functions).joined(separator: "\n") + "\n"
    }
}
