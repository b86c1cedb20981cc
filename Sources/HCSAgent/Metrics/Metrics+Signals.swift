import HCSAPI
import HCSModel

extension Metrics {
    /// A metric for each signal; the memory errors, which are several signals, are one.
    static let signals: [Metric] =
        Signal.allCases.filter { !memoryErrors.contains($0) }.map(metric) + [
            memoryErrors(
                "hcs_gpu_ecc_errors_total", "Memory errors of the device's life; location `all` is the device's total.",
                corrected: .eccCorrected, uncorrected: .eccUncorrected),
            memoryErrors(
                "hcs_gpu_ecc_volatile_errors_total",
                "Memory errors since the driver was loaded; location `all` is the device's total.",
                corrected: .eccCorrectedVolatile, uncorrected: .eccUncorrectedVolatile),
        ]

    private static let memoryErrors: Set<Signal> = [
        .eccCorrected, .eccUncorrected, .eccCorrectedVolatile, .eccUncorrectedVolatile,
    ]

    private static func metric(_ signal: Signal) -> Metric {
        let scale = scale(of: signal)
        let kind: Metric.Kind = signal.traits.kind == .counter ? .counter : .gauge
        guard hasParts(signal) else {
            return .device(name(of: signal), signal.traits.help, kind: kind) { device in
                device.report.sample?.signals[signal].map { $0 * scale }
            }
        }
        return .devices(name(of: signal), signal.traits.help, kind: kind, labels: ["part"]) { device in
            let readings = device.report.sample?.signals.all(signal) ?? []
            let parts = signal == .linkErrors ? byLane(readings) : readings
            return parts.map { ([$0.instance ?? ""], $0.value * scale) }
        }
    }

    /// Whether some vendor has several of it. A label without a value is none to Prometheus.
    private static func hasParts(_ signal: Signal) -> Bool {
        switch signal {
        case .engineUtilization, .clock, .clockMaximum, .retiredPages, .rowsRemapped, .rowBanks, .throttle, .pcieErrors,
            .linkUp, .linkErrors:
            true
        default: false
        }
    }

    /// One series for each lane: with every kind of error by itself a large card would have hundreds.
    private static func byLane(_ readings: [(instance: String?, value: Double)]) -> [(
        instance: String?, value: Double
    )] {
        var lanes: [(instance: String?, value: Double)] = []
        for (instance, value) in readings {
            let lane = instance.flatMap { $0.split(separator: "/").first.map(String.init) }
            if let last = lanes.indices.last, lanes[last].instance == lane {
                lanes[last].value += value
            } else {
                lanes.append((lane, value))
            }
        }
        return lanes
    }

    private static func memoryErrors(
        _ name: String, _ help: String, corrected: Signal, uncorrected: Signal
    ) -> Metric {
        .devices(name, help, kind: .counter, labels: ["type", "location"]) { device in
            [("corrected", corrected), ("uncorrected", uncorrected)].flatMap { type, signal in
                (device.report.sample?.signals.all(signal) ?? []).map { ([type, $0.instance ?? "all"], $0.value) }
            }
        }
    }

    /// `hcs_gpu_` and the signal's name and base unit: hertz, not megahertz; a ratio, not per cent.
    private static func name(of signal: Signal) -> String {
        let words = signal.rawValue.reduce(into: "") { $0 += $1.isUppercase ? "_\($1.lowercased())" : String($1) }
        let unit =
            switch signal.traits.unit {
            case .celsius: "_celsius"
            case .watts: "_watts"
            case .joules: "_joules"
            case .percent: "_ratio"
            case .megahertz: "_hertz"
            case .bytes: "_bytes"
            case .bytesPerSecond: "_bytes_per_second"
            case .count, .flag: ""
            }
        return "hcs_gpu_\(words)\(unit)\(signal.traits.kind == .counter ? "_total" : "")"
    }

    private static func scale(of signal: Signal) -> Double {
        switch signal.traits.unit {
        case .percent: 0.01
        case .megahertz: 1e6
        default: 1
        }
    }
}
