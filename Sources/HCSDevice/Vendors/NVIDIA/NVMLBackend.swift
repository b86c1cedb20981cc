import CVendorABI
import HCSModel

/// NVIDIA through NVML, `libnvidia-ml.so.1` (vendor ABI reference 1.1), drivers 450 to 580. A card in MIG mode is no
/// device, its instances are.
package final class NVMLBackend: VendorBackend {
    /// Passes after which a card's slow figures are read again: each pass reads those of every sixth card.
    private static let slowEvery = 6

    private var library: NVMLLibrary?
    /// Of the last inventory, and lost ones of those before: a lost card does not tell its UUID any more.
    private var cards: [NVMLCard] = []
    private var events: NVMLEvents?
    private var passes = 0
    package private(set) var symbols = SymbolReport(library: HCS_NVML_LIBRARY, present: 0, missing: [])

    package static var directories: [String] { NVMLLibrary.directories }

    package init() {}

    package func open(_ search: LibrarySearch) throws(DeviceError) {
        close()
        let library = try NVMLLibrary(search)
        symbols = library.symbols
        try library.start()
        self.library = library
        events = NVMLEvents(library)
    }

    /// The library's session ends with its last user here.
    package func close() {
        events = nil
        cards = []
        library = nil
    }

    package func inventory() throws(DeviceError) -> VendorInventory {
        let library = try opened()
        var inventory = VendorInventory()
        var found: [NVMLCard] = []
        var lost: [UInt32] = []
        let driver = library.driverVersion, cuda = library.cudaVersion
        for index in 0..<(try library.count()) {
            switch library.handle(index) {
            case .refused(let result):
                let was = cards.first { $0.index == index }.map { ", was \($0.id)" } ?? ""
                inventory.skip("device \(index): \(library.text(of: result))\(was)")
                if NVMLLibrary.isLost(result) { lost.append(index) }
            case .found(let handle):
                guard let card = card(library, handle, index), let device = card.describe(driver: driver, cuda: cuda)
                else {
                    inventory.skip("device \(index): it does not tell its UUID or memory")
                    continue
                }
                if list(card, device, in: &inventory) { found.append(card) }
            }
        }
        try library.requireFresh()
        // A card that moved to another index is not lost at the old one.
        let known = Set(found.map(\.id))
        cards = found + cards.filter { lost.contains($0.index) && !known.contains($0.id) }
        for card in found { events?.register(card.handle) }
        return inventory
    }

    package func sample() throws(DeviceError) -> [RawSample] {
        let library = try opened()
        passes += 1
        var samples: [RawSample] = []
        for (position, card) in cards.enumerated() {
            samples += measure(card, slowly: (passes + position) % Self.slowEvery == 0)
        }
        for event in events?.take() ?? [] { deliver(event, to: &samples) }
        try library.requireFresh()
        return samples
    }

    private func opened() throws(DeviceError) -> NVMLLibrary {
        guard let library else { throw DeviceError(.callFailed, "the library is not open") }
        return library
    }
}

extension NVMLBackend {
    private func card(_ library: NVMLLibrary, _ handle: nvmlDevice_t, _ index: UInt32) -> NVMLCard? {
        let uuid = PrintableText.from(capacity: Int(NVML_DEVICE_UUID_BUFFER)) {
            library.table.device_get_uuid?(handle, $0, $1) == NVML_SUCCESS
        }
        guard let uuid else { return nil }
        let card = NVMLCard(library, handle: handle, id: DeviceID(uuid), index: index)
        if let earlier = cards.first(where: { $0.id == card.id }) { card.inherit(from: earlier) }
        return card
    }

    /// Lists the card, or its instances in its place. Returns whether any is.
    private func list(_ card: NVMLCard, _ device: DeviceInventory, in inventory: inout VendorInventory) -> Bool {
        guard card.isCutUp else { return inventory.add(device) }
        var skipped: [String] = []
        let found = card.describeInstances(of: device) { skipped.append($0) }
        if found.areAll { inventory.cutUp.insert(card.id) }
        for (instance, part) in found.parts {
            if inventory.add(part) { card.instances.append(instance) }
        }
        for why in skipped { inventory.skip(why) }
        return !card.instances.isEmpty
    }

    private func measure(_ card: NVMLCard, slowly: Bool) -> [RawSample] {
        card.forgetAnswers()
        var signals = card.readQuick()
        if slowly || card.slow.isEmpty { card.readSlow() }
        for known in [card.fixed, card.slow] {
            for (key, value) in known.values { signals[key] = value }
        }
        let whole = card.instances.isEmpty ? card.memory(card.handle) : nil
        let processes = card.processes(card.handle)
        guard !card.isLost else {
            return card.instances.isEmpty ? [.lost(card.id)] : card.instances.map { .lost($0.id) }
        }
        let health = card.health(signals)
        guard !card.instances.isEmpty else {
            if let reserved = whole?.reserved { signals[.memoryReserved] = Double(reserved) }
            return [
                RawSample(
                    id: card.id, memoryUsed: whole?.used, health: health, signals: signals,
                    processes: (processes ?? []).map(\.share))
            ]
        }
        // What a card takes is not to be counted once for each of its parts.
        for signal in [Signal.power, .powerLimit, .energy] { signals[signal] = nil }
        // Records of the first version name no instances, and drivers name them only to whom they please.
        let named = processes.flatMap { list in list.allSatisfy { $0.gpuInstance != .max } ? list : nil }
        return card.instances.map { instance in
            let own =
                instance.gpu == nil
                ? nil : named?.filter { instance.isNamed(gpu: $0.gpuInstance, compute: $0.computeInstance) }
            let used =
                instance.sharesMemory
                ? own?.reduce(ByteCount.zero) { $0.adding(ByteCount($1.memory)) }.bytes
                : card.memory(instance.handle)?.used
            return RawSample(
                id: instance.id, memoryUsed: used, health: health, signals: signals,
                processes: (own ?? card.processes(instance.handle) ?? []).map(\.share))
        }
    }

    /// An Xid is its card's, or the instances' that it names.
    private func deliver(_ event: NVMLEvents.Event, to samples: inout [RawSample]) {
        guard let card = cards.first(where: { $0.handle == event.device }) else { return }
        let named = card.instances.filter { $0.isNamed(gpu: event.gpuInstance, compute: event.computeInstance) }
        let concerned = named.isEmpty ? card.instances : named
        let ids = card.instances.isEmpty ? [card.id] : concerned.map(\.id)
        for position in samples.indices where ids.contains(samples[position].id) {
            samples[position].add(DeviceEvent(kind: .xid, code: event.code))
        }
    }
}

extension NVMLProcess {
    fileprivate var share: DeviceSample.ProcessMemory { .init(pid: pid, memory: ByteCount(memory)) }
}

extension RawSample {
    /// One entry for each kind and code.
    fileprivate mutating func add(_ event: DeviceEvent) {
        if let position = events.firstIndex(where: { $0.kind == event.kind && $0.code == event.code }) {
            events[position].count += event.count
        } else if events.count < DeviceSample.eventLimit {
            events.append(event)
        }
    }
}
