/// One kind of figure that a device's library gives. A new one is a case here and a line in `traits`; wire, plausibility
/// filter and metrics follow from it. Counters never fall between two resets of the device.
package enum Signal: String, CaseIterable, Codable, Hashable, Sendable, Comparable {
    // Thermal, degrees Celsius. `temperature` is the compute die's.
    case temperature, memoryTemperature, boardTemperature, temperatureSlowdown, temperatureShutdown
    // Power: watts now and allowed; energy is a counter in joules.
    case power, powerLimit, energy
    // Per cent of time busy. Instances of `engineUtilization`: vector, control, encoder, decoder, …
    case utilization, memoryUtilization, engineUtilization
    // Megahertz, by clock domain: compute, memory, …
    case clock, clockMaximum
    // Memory errors, counters. The bare signal is the device's total, an instance a place: dram, sram, l2, …
    case eccCorrected, eccUncorrected, eccCorrectedVolatile, eccUncorrectedVolatile
    // Memory repair. Instances: corrected, uncorrected (by cause); `rowBanks`: max, high, partial, low, none.
    case retiredPages, retiredPagesPending, rowsRemapped, rowRemapPending, rowRemapFailed, rowBanks
    // 1 while a cause holds the clocks down: thermal, hardware-thermal, power-cap, power-brake, hardware-slowdown, …
    case throttle
    case pcieGeneration, pcieGenerationMaximum, pcieWidth, pcieWidthMaximum, pcieReplays
    // Counters, by kind: transmit, receive, lcrc, ecrc.
    case pcieErrors
    // Bytes for each second.
    case pcieReceive, pcieTransmit
    // Of the links between devices, by lane number; errors by lane and kind: `3/crc`.
    case linkUp, linkErrors
    // Memory that the driver keeps for itself, bytes.
    case memoryReserved
    // 1 = on.
    case eccMode
    // What the driver says has to be done: 0 nothing, 1 reset, 2 reboot, 3 drain (after P2P), 4 drain and reset.
    case recoveryAction

    package enum Unit: String, Sendable {
        case celsius, watts, joules, percent, megahertz, count, flag, bytes, bytesPerSecond
    }

    package enum Kind: Sendable { case gauge, counter }

    /// What a signal is: its unit, whether it only grows, what can be true of it, and one sentence for people.
    package struct Traits: Sendable {
        package let unit: Unit
        package let kind: Kind
        package let plausible: ClosedRange<Double>
        package let help: String

        init(_ unit: Unit, _ plausible: ClosedRange<Double>, _ help: String, _ kind: Kind = .gauge) {
            self.unit = unit
            self.kind = kind
            self.plausible = plausible
            self.help = help
        }
    }

    package static func < (a: Signal, b: Signal) -> Bool { a.rawValue < b.rawValue }

    /// The largest integer a `Double` counts to without a gap.
    private static let exact = 0.0...9_007_199_254_740_992
    private static let thermal = -50.0...150.0

    package var traits: Traits {
        switch self {
        case .temperature: Traits(.celsius, Self.thermal, "Temperature.")
        case .memoryTemperature: Traits(.celsius, Self.thermal, "Temperature of the device memory.")
        case .boardTemperature: Traits(.celsius, Self.thermal, "Temperature of the board.")
        case .temperatureSlowdown: Traits(.celsius, 0...150, "Above it the device slows itself down.")
        case .temperatureShutdown: Traits(.celsius, 0...150, "Above it the device turns itself off.")
        case .power: Traits(.watts, 0...5000, "Power.")
        case .powerLimit: Traits(.watts, 0...5000, "Power the device may take.")
        case .energy: Traits(.joules, Self.exact, "Energy since the driver was loaded.", .counter)
        case .utilization: Traits(.percent, 0...100, "Time the compute engines were busy.")
        case .memoryUtilization: Traits(.percent, 0...100, "Time the memory was read or written.")
        case .engineUtilization: Traits(.percent, 0...100, "Time one engine was busy.")
        case .clock: Traits(.megahertz, 0...20_000, "Clock.")
        case .clockMaximum: Traits(.megahertz, 0...20_000, "Highest clock.")
        case .eccCorrected: Traits(.count, Self.exact, "Corrected memory errors of the device's life.", .counter)
        case .eccUncorrected: Traits(.count, Self.exact, "Uncorrectable memory errors of the device's life.", .counter)
        case .eccCorrectedVolatile:
            Traits(.count, Self.exact, "Corrected memory errors since the driver was loaded.", .counter)
        case .eccUncorrectedVolatile:
            Traits(.count, Self.exact, "Uncorrectable memory errors since the driver was loaded.", .counter)
        case .retiredPages: Traits(.count, 0...100_000, "Memory pages taken out of use.", .counter)
        case .retiredPagesPending: Traits(.flag, 0...1, "Pages are taken out of use at the next reset.")
        case .rowsRemapped: Traits(.count, 0...100_000, "Memory rows replaced by spare ones.", .counter)
        case .rowRemapPending: Traits(.flag, 0...1, "A row is replaced at the next reset.")
        case .rowRemapFailed: Traits(.flag, 0...1, "A row could not be replaced: the memory is beyond repair.")
        case .rowBanks: Traits(.count, 0...1_000_000, "Memory banks by how many spare rows they have left.")
        case .throttle: Traits(.flag, 0...1, "This cause holds the clocks down.")
        case .pcieGeneration: Traits(.count, 1...8, "PCI Express generation of the link now.")
        case .pcieGenerationMaximum: Traits(.count, 1...8, "PCI Express generation that device and slot can.")
        case .pcieWidth: Traits(.count, 1...32, "PCI Express lanes now.")
        case .pcieWidthMaximum: Traits(.count, 1...32, "PCI Express lanes that device and slot can.")
        case .pcieReplays: Traits(.count, Self.exact, "PCI Express packets sent again.", .counter)
        case .pcieErrors: Traits(.count, Self.exact, "Errors of the PCI Express link.", .counter)
        case .pcieReceive: Traits(.bytesPerSecond, 0...1e12, "PCI Express bytes to the device.")
        case .pcieTransmit: Traits(.bytesPerSecond, 0...1e12, "PCI Express bytes from the device.")
        case .linkUp: Traits(.flag, 0...1, "The link between devices is up.")
        case .linkErrors: Traits(.count, Self.exact, "Errors on a link between devices.", .counter)
        case .memoryReserved: Traits(.bytes, 0...4_398_046_511_104, "Memory the driver keeps for itself.")
        case .eccMode: Traits(.flag, 0...1, "Error correction of the memory is on.")
        case .recoveryAction: Traits(.count, 0...16, "What the driver says has to be done; 0 = nothing.")
        }
    }
}

/// A signal, and which of several where a device has more than one: `clock:memory`, `linkErrors:3/crc`.
package struct SignalKey: Hashable, Sendable, Comparable, CustomStringConvertible {
    package var signal: Signal
    /// Lower-case letters, digits, `-` and `/`; at most 32.
    package var instance: String?

    package init(_ signal: Signal, _ instance: String? = nil) {
        self.signal = signal
        self.instance = instance
    }

    /// Reads `signal` or `signal:instance`; nil for anything else.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let signal = Signal(rawValue: String(parts[0])) else { return nil }
        guard parts.count == 2 else {
            self.init(signal)
            return
        }
        guard (1...32).contains(parts[1].utf8.count), parts[1].utf8.allSatisfy(Self.isAllowed) else { return nil }
        self.init(signal, String(parts[1]))
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
            UInt8(ascii: "/"):
            true
        default: false
        }
    }

    package static func < (a: SignalKey, b: SignalKey) -> Bool {
        (a.signal, a.instance ?? "") < (b.signal, b.instance ?? "")
    }

    package var description: String { instance.map { "\(signal.rawValue):\($0)" } ?? signal.rawValue }
}

/// What one device's signals said in one pass. A figure that was not given, or not plausible, is absent.
package struct SignalReadings: Hashable, Sendable, ExpressibleByDictionaryLiteral {
    /// Figures kept for one device; what comes after them in the order of keys is left out.
    package static let limit = 192

    package private(set) var values: [SignalKey: Double] = [:]

    package init() {}

    package subscript(signal: Signal, instance: String? = nil) -> Double? {
        get { values[SignalKey(signal, instance)] }
        set { values[SignalKey(signal, instance)] = newValue }
    }

    package subscript(key: SignalKey) -> Double? {
        get { values[key] }
        set { values[key] = newValue }
    }

    package init(dictionaryLiteral elements: (Signal, Double)...) {
        for (signal, value) in elements { self[signal] = value }
    }

    package var isEmpty: Bool { values.isEmpty }

    /// In the order of keys.
    package var sorted: [(key: SignalKey, value: Double)] {
        values.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// All instances of one signal, the bare one included.
    package func all(_ signal: Signal) -> [(instance: String?, value: Double)] {
        // Asked often, and few of many match: those alone are put in order.
        values.lazy.filter { $0.key.signal == signal }.map { (instance: $0.key.instance, value: $0.value) }
            .sorted { ($0.instance ?? "") < ($1.instance ?? "") }
    }
}

extension SignalReadings: Codable {
    private struct Name: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    /// A signal this version does not know is passed over: an agent may be newer than its scheduler.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Name.self)
        for name in container.allKeys.prefix(Self.limit) {
            guard let key = SignalKey(name.stringValue) else { continue }
            let value = try container.decode(Double.self, forKey: name)
            if key.signal.traits.plausible.contains(value) { values[key] = value }
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Name.self)
        func put(_ key: SignalKey, _ value: Double) throws {
            try container.encode(value, forKey: Name(stringValue: key.description))
        }
        // An object has no order; only what is too much is cut by it.
        if values.count <= Self.limit {
            for (key, value) in values { try put(key, value) }
        } else {
            for (key, value) in sorted.prefix(Self.limit) { try put(key, value) }
        }
    }
}
