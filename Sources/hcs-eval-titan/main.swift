import Glibc
import HCSHealth
import HCSSystem

/// `make eval-titan DATA=DIR`: which half-life ranks Titan's GPUs best.
func fail(_ message: String, code: Int32) -> Never {
    let line = Array("eval-titan: \(message)\n".utf8)
    _ = line.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
    exit(code)
}

func text(_ path: String) -> String? { try? SmallFile.text(path, limit: 256 << 20) }

guard CommandLine.arguments.count == 2 else {
    fail("usage: hcs-eval-titan DIR (it holds titan.gpu.history.txt and titan.service.txt)", code: 64)
}
let directory = CommandLine.arguments[1]
guard let history = text("\(directory)/titan.gpu.history.txt") else {
    fail(
        "no titan.gpu.history.txt in \(directory): clone https://github.com/olcf/TitanGPULife and give its data directory",
        code: 66)
}
let service = text("\(directory)/titan.service.txt")
if service == nil { print("no titan.service.txt: service nodes are ranked as well") }
let replay = TitanReplay(history: history, service: service ?? "")
print(
    "\(replay.lives.count) GPUs, \(replay.events.values.map(\.count).reduce(0, +)) events; "
        + "\(replay.duplicates) duplicates within a day merged, \(replay.skipped) rows passed over")

func column(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(1, width - text.count)) + text
}

func share(_ value: Double) -> String { String(Double(Int64((value * 10_000).rounded())) / 10_000) }

// The reference's figures are of health reference 3c.
let reference = [7.0: "0.022", 30: "0.021", 90: "0.020", 180: "0.017"]
print(
    column("half-life", 10) + column("GPU-months", 12) + column("base rate", 11) + column("AP", 8)
        + column("reference", 11) + column("P at top 0.5 %", 16))
for days in [7.0, 30, 90, 180] {
    let result = replay.replay(halfLifeDays: days)
    let base = result.ranked > 0 ? Double(result.hits) / Double(result.ranked) : 0
    print(
        column("\(Int64(days)) d", 10) + column("\(result.ranked)", 12) + column(share(base), 11)
            + column(share(result.averagePrecision), 8) + column(reference[days] ?? "", 11)
            + column(share(result.precisionAtTop), 16))
}
