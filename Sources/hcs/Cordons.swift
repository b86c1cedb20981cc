import Foundation
import HCSAPI
import HCSModel

/// How cordons are written for people.
enum Cordons {
    static func word(_ cordon: Cordon) -> String {
        if !cordon.drains { return "cordoned" }
        return cordon.drainedMilliseconds == nil ? "draining" : "drained"
    }

    static func sentence(_ cordon: Cordon, now: Date = Date()) -> String {
        let age = Int64(now.timeIntervalSince1970 * 1000) - cordon.atMilliseconds
        return "\(word(cordon)) by \(cordon.by) \(Format.duration(milliseconds: age)) ago: \(cordon.reason)"
    }

    static func text(_ view: CordonView, _ style: Style) -> String {
        let head = Format.printable("\(view.cordon.target): \(sentence(view.cordon))")
        guard !view.occupants.isEmpty else { return "\(head)\nNothing is on it." }
        guard view.cordon.drains else {
            var table = TextTable([.init("WORKLOAD"), .init("DEVICE")])
            for occupant in view.occupants { table.add([.init(occupant.name), .init(occupant.device.uuid)]) }
            return "\(head)\nWhat is on it stays; `hcs drain` moves it:\n\n\(table.render(style))"
        }
        var table = TextTable([.init("WORKLOAD"), .init("DEVICE"), .init("STAYS"), .init("WHY")])
        for occupant in view.occupants {
            table.add([
                .init(occupant.name), .init(occupant.device.uuid),
                .init(occupant.stays ? "yes" : "no") { style.band(occupant.stays ? .suspect : .healthy, $0) },
                .init(occupant.why),
            ])
        }
        return "\(head)\n\n\(table.render(style))"
    }
}
