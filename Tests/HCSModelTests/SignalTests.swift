import Foundation
import HCSModel
import Testing

@Suite struct SignalTests {
    @Test(arguments: [
        SignalKey(.temperature), SignalKey(.clock, "memory"), SignalKey(.linkErrors, "3/crc"),
    ])
    func `a key reads back from its text`(key: SignalKey) {
        #expect(SignalKey(key.description) == key)
    }

    @Test(arguments: ["", "heat", "clock:", "clock:A", "clock:a\"b", "clock:\(String(repeating: "x", count: 33))"])
    func `what is no key is none`(text: String) {
        #expect(SignalKey(text) == nil)
    }

    @Test func `readings survive the wire, and what is not known or cannot be is passed over`() throws {
        var readings: SignalReadings = [.temperature: 41.5, .energy: 9_007_199_254_740_992]
        readings[.linkErrors, "3/crc"] = 7
        let decoded = try JSONDecoder().decode(SignalReadings.self, from: try JSONEncoder().encode(readings))
        #expect(decoded == readings)
        let odd = Data(#"{"temperature":400,"flux":1,"power":12}"#.utf8)
        #expect(try JSONDecoder().decode(SignalReadings.self, from: odd) == [.power: 12])
    }

    @Test func `a sample of an agent without signals is read`() throws {
        let old = Data(#"{"memoryUsed":5,"processes":[]}"#.utf8)
        #expect(try JSONDecoder().decode(DeviceSample.self, from: old) == DeviceSample(memoryUsed: ByteCount(5)))
    }
}
