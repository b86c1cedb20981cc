import CHCSSimulation
import Foundation
import HCSDevice
import HCSModel
import HCSSimulation
import HCSTestSupport
import NativeArtifacts
import Testing

/// Cards that are cut into parts, cut otherwise, and made whole again while somebody looks.
@Suite(.timeLimit(.minutes(10))) struct PartitionTests {
    private static func host(_ vendor: Vendor) throws -> TestHost {
        let model = vendor == .nvidia ? "NVIDIA H100 80GB HBM3" : "K100_AI"
        let host = try TestHost(
            Scenario(
                name: "parts",
                devices: [
                    .init(vendor: vendor, model: model, memory: .gibibytes(64)),
                    .init(vendor: vendor, model: model, memory: .gibibytes(64)),
                ]))
        try host.cut(device: 1, into: [(.gibibytes(10), 1), (.gibibytes(20), 2)])
        return host
    }

    /// The identities of a sweep's devices, none of which may be lost.
    private func present(_ manager: DeviceManager) async -> Set<DeviceID> {
        let sweep = await manager.sample()
        let devices = Set(await manager.devices.map(\.id))
        for (id, sample) in sweep.samples { #expect(sample.vendorHealth != .lost, "\(id)") }
        #expect(Set(sweep.samples.keys) == devices)
        return devices
    }

    @Test(arguments: [Vendor.nvidia, .hygon])
    func `what a card was cut into before is nothing that was lost`(vendor: Vendor) async throws {
        let host = try Self.host(vendor)
        let manager = try host.manager([vendor], sweepsPerInventory: 1)
        let cards = host.host.devices.map(\.id)
        let cut = await present(manager)
        #expect(cut.count == 3 && cut.contains(cards[0]) && !cut.contains(cards[1]))
        try host.change(device: 1) { $0.pointee.mig_mode = 0 }
        #expect(await present(manager) == Set(cards))
        try host.change(device: 1) { $0.pointee.mig_mode = 1 }
        #expect(await present(manager) == cut)
        try host.change(device: 1) { $0.pointee.mig_count = 1 }
        let one = await present(manager)
        #expect(one.count == 2 && one.isSubset(of: cut))
        if vendor == .nvidia {
            try host.change(device: 1) { $0.pointee.mig_count = 2 }
            #expect(await present(manager) == cut)
            try host.host.addFault(.lost, to: "nvidia:1")
            let samples = await manager.sample().samples
            for id in cut { #expect((samples[id]?.vendorHealth == .lost) == (id != cards[0]), "with its card") }
        }
        await manager.stop()
    }

    @Test(arguments: [(6, true), (15, false), (999, false), (4, false), (2, false), (3, false), (13, false)])
    func `a part that is not listed is retired only where its card listed them all`(answer: Int32, isRetired: Bool)
        async throws
    {
        let control = try TemporaryDirectory()
        try Data("0".utf8).write(to: URL(filePath: control.file("answer")))
        let library = try await MadeLibrary("libnvidia-ml.so.1", Self.nvml(control.file("answer")))
        let manager = DeviceManager(
            sources: [
                VendorSource(
                    vendor: .nvidia,
                    kind: .simulated(libraryDirectory: library.directory.path, stateFile: control.file("none")))
            ], executable: try workerExecutable(), timing: .patient, sweepsPerInventory: 1)
        let parts = [DeviceID("MIG-100"), DeviceID("MIG-101")]
        #expect(await manager.inventory().map(\.id) == parts)
        try Data("\(answer)".utf8).write(to: URL(filePath: control.file("answer")), options: .atomic)
        let samples = await manager.sample().samples
        #expect(await manager.devices.map(\.id) == (isRetired ? [parts[0]] : parts))
        #expect(samples[parts[1]]?.vendorHealth == (isRetired ? nil : .lost))
        await manager.stop()
    }

    /// A card of two MIG instances; the file says what the second's slot answers.
    private static func nvml(_ control: String) -> String {
        """
        #include <stdio.h>
        typedef struct { unsigned long long total, free, used; } memory;
        int nvmlInit_v2(void) { return 0; }
        int nvmlDeviceGetCount_v2(unsigned *n) { *n = 1; return 0; }
        int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **h) { *h = (void *)1ul; return 0; }
        int nvmlDeviceGetUUID(void *h, char *s, unsigned n) {
            snprintf(s, n, h == (void *)1ul ? "GPU-%lu" : "MIG-%lu", (unsigned long)h);
            return 0;
        }
        int nvmlDeviceGetName(void *h, char *s, unsigned n) { snprintf(s, n, "NVIDIA A100 MIG 1g.5gb"); return 0; }
        int nvmlDeviceGetMemoryInfo(void *h, memory *m) {
            m->total = 1ull << 34; m->used = 0; m->free = m->total;
            return 0;
        }
        int nvmlDeviceGetMigMode(void *h, unsigned *now, unsigned *next) { *now = *next = 1; return 0; }
        int nvmlDeviceGetMaxMigDeviceCount(void *h, unsigned *n) { *n = 2; return 0; }
        int nvmlDeviceGetMigDeviceHandleByIndex(void *h, unsigned i, void **out) {
            int answer = 0;
            FILE *file = fopen("\(control)", "r");
            if (file != NULL) {
                if (fscanf(file, "%d", &answer) != 1)
                    answer = 0;
                fclose(file);
            }
            *out = (void *)(i + 100ul);
            return i == 1 ? answer : 0;
        }

        """
    }

    @Test func `virtual DCUs that are counted and not described are no reason to forget them`() async throws {
        let host = try TestHost(
            Scenario(name: "dcu", devices: [.init(vendor: .hygon, model: "K100_AI", memory: .gibibytes(64))]))
        let library = try await MadeLibrary("libhydmi.so", Self.hydmi(host.directory.file("parts")))
        try FileManager.default.copyItem(
            atPath: NativeArtifacts.simulatedLibraries + "/librocm_smi64.so.1",
            toPath: library.directory.file("librocm_smi64.so.1"))
        func set(_ parts: String) throws {
            try Data(parts.utf8).write(to: URL(filePath: host.directory.file("parts")), options: .atomic)
        }
        try set("vv")
        let manager = DeviceManager(
            sources: [host.source(.hygon, libraries: library.directory.path)], executable: try workerExecutable(),
            timing: .patient, sweepsPerInventory: 1)
        let card = host.host.devices[0].id
        let parts = [DeviceID("\(card)-v0"), DeviceID("\(card)-v1")]
        #expect(await manager.inventory().map(\.id) == parts)
        try set("vx")
        #expect(await manager.sample().samples[parts[1]]?.vendorHealth == .lost)
        try set("vv")
        #expect(await manager.sample().samples[parts[1]]?.vendorHealth == nil)
        // What cannot be listed any more makes no card whole.
        try set("!")
        let status = try #require(await manager.sample().workers.first)
        #expect(status.reason?.contains("virtual DCUs") == true, "\(status)")
        #expect(await manager.devices.map(\.id) == parts)
        try set("v-")
        #expect(await manager.sample().samples.keys.sorted() == [parts[0]])
        #expect(await manager.devices.map(\.id) == [parts[0]])
        try set("-")
        #expect(await manager.sample().samples.keys.sorted() == [card])
        #expect(await manager.devices.map(\.id) == [card])
        await manager.stop()
    }

    /// Virtual DCUs of the first card, a letter each: `v`, `x` for one that does not tell, `-` for none. `!`: no count.
    private static func hydmi(_ control: String) -> String {
        """
        #include <stdio.h>
        #include <string.h>
        struct device { char name[256]; int units; size_t total, used; unsigned long long container; int card; };
        static void parts(char text[16]) {
            FILE *file = fopen("\(control)", "r");
            memset(text, 0, 16);
            if (file != NULL) {
                if (fgets(text, 16, file) == NULL)
                    text[0] = 0;
                fclose(file);
            }
        }
        int dmiGetVDeviceCount(int *n) {
            char text[16];
            parts(text);
            *n = 0;
            for (int i = 0; text[i] != 0; i++)
                *n += text[i] != '-';
            return text[0] == '!';
        }
        int dmiGetVDeviceInfo(int i, struct device *d) {
            char text[16];
            parts(text);
            if (i < 0 || i >= (int)strlen(text) || text[i] != 'v')
                return 23;
            memset(d, 0, sizeof *d);
            d->units = 30;
            d->total = 16ull << 30;
            return 0;
        }

        """
    }

    @Test func `compute instances of one GPU instance share its memory`() async throws {
        let host = try TestHost(
            Scenario(
                name: "shared",
                devices: [.init(vendor: .nvidia, model: "NVIDIA H100 80GB HBM3", memory: .gibibytes(80))]))
        try host.cut(device: 0, into: [(.gibibytes(30), 1), (.gibibytes(30), 2), (.gibibytes(10), 1)])
        try host.change(device: 0) { device in
            device.pointee.migs.1.gpu_instance = device.pointee.migs.0.gpu_instance
            device.pointee.migs.1.compute_instance = 1
        }
        let client = try Client(vendor: .nvidia, stateFile: host.host.path, bytes: 1 << 30)
        let manager = try host.manager([.nvidia])
        let devices = await manager.inventory()
        #expect(devices.map(\.memory) == [.gibibytes(10), .gibibytes(20), .gibibytes(10)])
        let pid = client.pid
        // Without a word from the user CUDA takes the first instance.
        let sees = await eventually {
            await manager.sample().samples[devices[0].id]?.processes == [.init(pid: pid, memory: .gibibytes(1))]
        }
        #expect(sees)
        let samples = await manager.sample().samples
        #expect(devices.map { samples[$0.id]?.memoryUsed } == [.gibibytes(1), .zero, .zero])
        client.stop()
        await manager.stop()
    }

    // MARK: What may be in an inventory

    private static func device(_ id: String, partOf card: String? = nil, slices: Int = 1) -> DeviceInventory {
        var device = DeviceInventory(id: DeviceID(id), name: "A", index: 0, memory: .gibibytes(8))
        device.details.partition = card.map { DevicePartition(card: DeviceID($0), slices: slices, cardSlices: 7) }
        return device
    }

    @Test func `a card is listed whole or in parts, and nothing is a part of itself or of a part`() throws {
        func listed(_ devices: DeviceInventory...) throws -> [String] {
            let json = JSONValue.object(["devices": .array(devices.map(\.json))])
            let inventory = try VendorInventory(json: json)
            #expect(inventory.devices.count + inventory.skipped.count == devices.count)
            return inventory.devices.map(\.id.uuid)
        }
        #expect(try listed(Self.device("a", partOf: "a")) == [])
        #expect(try listed(Self.device("a", partOf: "b"), Self.device("b", partOf: "a")) == ["a"])
        #expect(try listed(Self.device("c"), Self.device("a", partOf: "c")) == ["c"])
        #expect(try listed(Self.device("a", partOf: "c"), Self.device("c")) == ["a"])
        #expect(try listed(Self.device("a", partOf: "c"), Self.device("b", partOf: "c")) == ["a", "b"])
    }

    @Test(arguments: [
        ("slices", JSONValue.unsigned(8)), ("slices", .unsigned(0)), ("slices", .negative(-1)), ("slices", .null),
        ("slices", .unsigned(.max)), ("slices", .number(1.5)), ("cardSlices", .unsigned(1 << 40)),
        ("cardSlices", .unsigned(0)), ("card", "../x"), ("card", .unsigned(1)),
    ])
    func `a part of which nobody can say how much it is is no device`(field: String, value: JSONValue) {
        guard case .object(var fields) = Self.device("a", partOf: "c").json,
            case .object(var details)? = fields["details"], case .object(var partition)? = details["partition"]
        else {
            Issue.record("an object was expected")
            return
        }
        #expect(DeviceInventory(json: .object(fields)) != nil)
        partition[field] = value
        details["partition"] = .object(partition)
        fields["details"] = .object(details)
        #expect(DeviceInventory(json: .object(fields)) == nil)
    }

    @Test func `which cards told all of their parts survives the wire`() throws {
        let inventory = VendorInventory(
            devices: [Self.device("a", partOf: "c")], cutUp: [DeviceID("c"), DeviceID("d")])
        #expect(try VendorInventory(json: try JSONValue(parsing: inventory.json.utf8)) == inventory)
        #expect(
            inventory.retires(DeviceID("b"), partOf: DeviceID("c")) && inventory.retires(DeviceID("d"), partOf: nil))
        #expect(
            !inventory.retires(DeviceID("e"), partOf: nil) && !inventory.retires(DeviceID("e"), partOf: DeviceID("f")))
    }
}
