import ArgumentParser
import HCSModel

/// What a workload asks of the pool beside runtime and memory, as flags. What is not given leaves the request as it is.
struct PlacementOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp("Devices, all on one node, 1 to \(PlacementSpec.deviceLimit).", valueName: "count"))
    var devices: Int?

    @Option(
        name: .long, help: ArgumentHelp("Part of each device's compute: 0.25 or 25%.", valueName: "share"),
        transform: { try Amounts.thousandths($0) })
    var share: Int?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Compute of each device in TFLOPS, as `hcs exchange` counts them; instead of --share.", valueName: "number")
    )
    var tflops: Double?

    @Option(name: .long, help: "What --tflops counts: fp64, fp32, tf32, fp16 (default), bf16, fp8 or int8.")
    var precision: Precision?

    @Flag(name: .long, help: "Whole devices: all their memory, and nobody else on them.")
    var whole = false

    @Option(
        name: .long, help: ArgumentHelp("Processor cores: 4 or 0.5.", valueName: "cores"),
        transform: { try Amounts.milli($0) })
    var cpu: Int?

    @Option(
        name: .long, help: ArgumentHelp("Memory of the host, such as 16Gi.", valueName: "size"),
        transform: { try Amounts.size($0) })
    var memory: ByteCount?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Only where it holds: vendor, model, node, driver, runtime with =, !=, and of versions >=, <=; * is any text. May be repeated.",
            valueName: "key=value"), transform: { try Amounts.term($0) })
    var require: [PlacementTerm] = []

    @Option(
        name: .long, help: ArgumentHelp("Rather where it holds. May be repeated.", valueName: "key=value"),
        transform: { try Amounts.term($0) })
    var prefer: [PlacementTerm] = []

    @Option(
        name: .long, help: ArgumentHelp("Rather not where it holds. May be repeated.", valueName: "key=value"),
        transform: { try Amounts.term($0) })
    var avoid: [PlacementTerm] = []

    @Option(
        name: .long,
        help: "How several devices must be joined: any, same-node (a gang's members too), nvlink or same-numa.")
    var interconnect: Interconnect?

    @Option(name: .long, help: "pack: where the least is broken up; spread: away from the others.")
    var strategy: PlacementStrategy?

    @Option(
        name: .customLong("class"), help: "What the work is like: training (default), prefill, decode or embedding.")
    var workloadClass: WorkloadClass?

    @Option(
        name: .long, parsing: .unconditional,
        help: ArgumentHelp("-1000 to 1000; higher goes first and may end lower.", valueName: "number"))
    var priority: Int?

    @Option(
        name: .long,
        help: ArgumentHelp("Starts together with the others of this name.", valueName: "name"))
    var gang: String?

    @Option(name: .long, help: ArgumentHelp("Members of the gang.", valueName: "count"))
    var gangSize: Int?

    @Option(
        name: .long, help: ArgumentHelp("How long an incomplete gang waits: 600, 10m, 1h.", valueName: "time"))
    var gangTimeout: Seconds?

    @Option(name: .long, help: ArgumentHelp("Only in this pool.", valueName: "name"))
    var pool: String?

    @Option(name: .long, help: ArgumentHelp("On whose account.", valueName: "name"))
    var tenant: String?

    func validate() throws {
        guard share == nil || tflops == nil else { throw ValidationError("Give --share or --tflops, not both") }
        guard precision == nil || tflops != nil else { throw ValidationError("--precision without --tflops") }
    }

    /// Puts what was given over `spec`; a list replaces the whole list.
    func apply(to spec: inout PlacementSpec) throws {
        if let devices { spec.devices = devices }
        if let share { spec.compute = .share(share) }
        if let tflops { spec.compute = .teraflops(tflops, precision ?? .fp16) }
        if whole { spec.wholeDevices = true }
        if let cpu { spec.cpuMilli = cpu }
        if let memory { spec.memory = memory }
        if !require.isEmpty { spec.require = require }
        if !prefer.isEmpty { spec.prefer = prefer }
        if !avoid.isEmpty { spec.avoid = avoid }
        if let interconnect { spec.interconnect = interconnect }
        if let strategy { spec.strategy = strategy }
        if let workloadClass { spec.workloadClass = workloadClass }
        if let priority { spec.priority = priority }
        if let pool { spec.pool = pool }
        if let tenant { spec.tenant = tenant }
        try applyGang(to: &spec)
    }

    private func applyGang(to spec: inout PlacementSpec) throws {
        guard gang != nil || gangSize != nil || gangTimeout != nil else { return }
        guard let name = gang ?? spec.gang?.name else { throw CommandFailure(.usage, "--gang NAME is missing") }
        guard let size = gangSize ?? spec.gang?.size else { throw CommandFailure(.usage, "--gang-size is missing") }
        spec.gang = Gang(
            name: name, size: size,
            timeoutSeconds: gangTimeout?.count ?? spec.gang?.timeoutSeconds ?? Gang.defaultTimeoutSeconds)
    }
}

/// Amounts as people write them, with the reason in words that a failing conversion would not give.
enum Amounts {
    static func size(_ text: String) throws -> ByteCount {
        do { return try ByteCount.parse(text) } catch { throw ValidationError(error.message) }
    }

    static func term(_ text: String) throws -> PlacementTerm {
        do { return try PlacementTerm(parsing: text) } catch { throw ValidationError(error.message) }
    }

    /// `0.25` or `25%`, in thousandths.
    static func thousandths(_ text: String) throws -> Int {
        let percent = text.hasSuffix("%")
        guard let exact = decimal(percent ? text.dropLast() : text[...], places: percent ? 1 : 3),
            (1...1000).contains(exact)
        else {
            throw ValidationError(
                "share '\(text.prefix(40))' is not understood: write 0.25 or 25%, of 0.001 to 1, in whole thousandths")
        }
        return exact
    }

    /// `4` or `0.5` of something, in thousandths of it.
    static func milli(_ text: String) throws -> Int {
        guard let exact = decimal(text[...], places: 3) else {
            throw ValidationError("'\(text.prefix(40))' is not understood: write 4 or 0.5, at most three decimals")
        }
        return exact
    }

    /// Digits and a point, times ten to the `places`; nil for anything else, also where it would not be whole.
    private static func decimal(_ text: Substring, places: Int) -> Int? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let fraction = parts.count == 2 ? parts[1] : ""
        let digits = parts[0] + fraction + String(repeating: "0", count: max(0, places - fraction.count))
        guard parts.count == 1 || !fraction.isEmpty, !parts[0].isEmpty, fraction.count <= places, digits.count <= 12,
            digits.allSatisfy({ $0.isASCII && $0.isNumber })
        else { return nil }
        return Int(digits)
    }
}

extension Precision: ExpressibleByArgument {}
extension Interconnect: ExpressibleByArgument {}
extension PlacementStrategy: ExpressibleByArgument {}
extension WorkloadClass: ExpressibleByArgument {}
