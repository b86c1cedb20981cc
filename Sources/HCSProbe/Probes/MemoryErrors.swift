internal import CHCSProbe
internal import HCSModel
internal import HCSSystem

/// Errors of memory controllers: the tracepoint ras:mc_event, or the counters of EDAC in sysfs
/// (Documentation/ABI/testing/sysfs-devices-edac).
struct MemoryErrors: EventSource {
    static let name = "memory-errors"
    static let tracepoint: String? = "ras:mc_event"
    static let program: StaticString? = EmbeddedPrograms.memoryError
    static let interval: Int32 = 5000

    private let root: HostRoot
    private var counters = CounterWatch<String>()

    init(options: ProbeOptions) { root = options.root }

    // MARK: Program

    mutating func event(from bytes: UnsafeRawBufferPointer) -> ProbeEvent? {
        guard let event = Self.read(bytes, as: hcs_memory_error_event.self),
            let (severity, word) = Self.kind(event.type)
        else { return nil }
        let label = Self.text(event.label)
        let text = Self.text(event.text)
        return .host(
            HostEvent(
                .memoryError, seen: .program(atNanoseconds: event.ktime_ns), severity: severity,
                count: UInt64(event.count),
                message: Self.message(
                    word, controller: "mc\(event.controller)",
                    modules: label.isEmpty ? [] : [label]) + (text.isEmpty ? "" : ": \(text)")))
    }

    private static func kind(_ type: UInt32) -> (HostEvent.Severity, word: String)? {
        switch type {
        case HCS_MEMORY_CORRECTED.rawValue: (.warning, "corrected")
        case HCS_MEMORY_UNCORRECTED.rawValue: (.error, "uncorrected")
        case HCS_MEMORY_DEFERRED.rawValue: (.error, "deferred")
        case HCS_MEMORY_FATAL.rawValue: (.fatal, "fatal")
        case HCS_MEMORY_INFO.rawValue: (.info, "reported")
        default: nil
        }
    }

    private static func message(_ word: String, controller: String, modules: [String]) -> String {
        let place = modules.isEmpty ? "" : " (\(modules.prefix(4).joined(separator: ", ")))"
        return "\(word) memory error at \(controller)\(place)"
    }

    // MARK: Files

    /// More than any host has of either.
    private static let controllerLimit = 256
    private static let moduleLimit = 256

    private static let kinds: [(prefix: String, severity: HostEvent.Severity, word: String)] = [
        ("ce", .warning, "corrected"), ("ue", .error, "uncorrected"),
    ]

    mutating func look() -> FileLook {
        let seen = Sighting.polling()
        let directory = root.path("/sys/devices/system/edac/mc")
        let controllers = ((try? SmallFile.names(in: directory)) ?? [])
            .filter { Self.isNumbered($0, "mc") }.prefix(Self.controllerLimit)
        guard !controllers.isEmpty else {
            return FileLook(coverage: .nothing("no memory controller in \(directory) (no EDAC driver)"))
        }
        var events: [ProbeEvent] = []
        for controller in controllers {
            let modules = self.modules(of: "\(directory)/\(controller)")
            for kind in Self.kinds {
                let grown = modules.filter { self.growth(of: "\($0.path)/dimm_\(kind.prefix)_count") > 0 }
                let growth = growth(of: "\(directory)/\(controller)/\(kind.prefix)_count")
                guard growth > 0 else { continue }
                events.append(
                    .host(
                        HostEvent(
                            .memoryError, seen: seen, severity: kind.severity, count: growth,
                            message: Self.message(
                                kind.word, controller: controller, modules: grown.map(\.label)))))
            }
        }
        let count = controllers.count
        return FileLook(
            events: events, coverage: .reads("EDAC counters of \(count) memory controller\(count == 1 ? "" : "s")"))
    }

    private func modules(of controller: String) -> [(path: String, label: String)] {
        ((try? SmallFile.names(in: controller)) ?? [])
            .filter { Self.isNumbered($0, "dimm") || Self.isNumbered($0, "rank") }.prefix(Self.moduleLimit)
            .map { name in
                let label = (try? SmallFile.read("\(controller)/\(name)/dimm_label", limit: 4096)) ?? []
                let text = PrintableText.of(label.prefix { $0 != UInt8(ascii: "\n") }, limit: 64)
                return ("\(controller)/\(name)", text.isEmpty ? name : text)
            }
    }

    /// 0 for a file that is not there or holds no number.
    private mutating func growth(of file: String) -> UInt64 {
        guard let value = SmallNumber.read(file) else { return 0 }
        return counters.growth(of: file, to: value)
    }

    private static func isNumbered(_ name: String, _ prefix: String) -> Bool {
        name.hasPrefix(prefix) && (1...6).contains(name.utf8.count - prefix.utf8.count)
            && name.utf8.dropFirst(prefix.utf8.count).allSatisfy { (0x30...0x39).contains($0) }
    }
}
