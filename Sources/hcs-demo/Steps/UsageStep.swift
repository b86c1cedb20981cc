import HCSAPI
import HCSModel

/// Step 4: what the segments say is what the driver says.
struct UsageStep {
    func run(_ demo: Demo) async throws {
        demo.screen.heading(4, "Usage flows back through shared memory")
        demo.screen.say(
            "The preload library counts what is asked for; the agent reads it without a system call of the workload.")
        var sum = ByteCount.zero
        var driver = try demo.simulatedDriver()
        // One look may fall between an allocation and the agent's next sample.
        let agreed = try await demo.poll(within: .seconds(5), every: .milliseconds(200)) {
            let views = try await demo.scheduler.workloads().items
            sum = views.flatMap(\.usage).reduce(.zero) { $0.adding($1.used) }
            driver = try demo.simulatedDriver()
            return sum == driver.requested && sum.bytes > 0 ? true : nil
        }
        try demo.hcs(["workloads"])
        demo.screen.line()
        demo.screen.say("HCS counts             \(grouped(sum)) bytes")
        demo.screen.say("the driver was asked   \(grouped(driver.requested)) bytes")
        demo.screen.say("the driver rounded up  \(grouped(driver.charged.subtracting(driver.requested))) bytes more")
        demo.screen.line()
        demo.promise(
            "4", "the sum of used bytes is the driver's count of requested bytes",
            "\(grouped(sum)) and \(grouped(driver.requested)), \(grouped(driver.charged.subtracting(driver.requested))) rounded up",
            agreed == true)
    }

    /// 12 345 678
    private func grouped(_ count: ByteCount) -> String {
        let digits = Array(String(count.bytes))
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text.append(" ") }
            text.append(digit)
        }
        return text
    }
}
