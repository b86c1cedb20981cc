/// What one unit of work asks of one node, in the units that packing reckons in: thousandths of a core, MiB of memory,
/// thousandths of a device.
package struct PackingShape: Hashable, Comparable, Sendable {
    package var cpu: Int32
    package var memory: Int32
    /// How many devices; 0 = none.
    package var devices: UInt8
    /// Of each device, 1 to 1000; 0 without devices.
    package var share: UInt16
    /// Bit i = model i will do.
    package var models: UInt64

    package static let anyModel = UInt64.max
    package static let wholeDevice: UInt16 = 1000

    package init(cpu: Int32, memory: Int32, devices: UInt8 = 0, share: UInt16 = 0, models: UInt64 = anyModel) {
        precondition(cpu >= 0 && memory >= 0, "a shape asks for no negative amount")
        precondition(devices <= PackingNode.deviceLimit, "a shape asks for at most 16 devices")
        precondition(
            devices == 0 ? share == 0 : (1...Self.wholeDevice).contains(share), "a share is 1 to 1000 thousandths")
        self.cpu = cpu
        self.memory = memory
        self.devices = devices
        self.share = share
        self.models = devices == 0 ? Self.anyModel : models
    }

    /// Over all its devices.
    package var deviceMilli: Int { Int(devices) * Int(share) }

    package func allows(model: UInt8) -> Bool { models &>> UInt64(model) & 1 == 1 }

    /// Memory decides where a shape fits but not what it is worth to keep room for it.
    var withoutMemory: PackingShape {
        var shape = self
        shape.memory = 0
        return shape
    }

    package static func < (a: PackingShape, b: PackingShape) -> Bool {
        (a.cpu, Int32(a.devices), Int32(a.share), a.memory, a.models)
            < (b.cpu, Int32(b.devices), Int32(b.share), b.memory, b.models)
    }
}

/// A node as packing sees it.
package struct PackingNode: Hashable, Sendable {
    /// Index of the model of its devices, below 64.
    package var model: UInt8
    package var cpu: Int32
    package var memory: Int32
    /// What is free of each device, in thousandths.
    package var free: [UInt16]

    package static let deviceLimit = 16
    package static let modelLimit = 64

    package init(model: UInt8, cpu: Int32, memory: Int32, free: [UInt16]) {
        precondition(cpu >= 0 && memory >= 0, "a node has no negative amount")
        precondition(free.count <= Self.deviceLimit, "a node has at most 16 devices")
        precondition(Int(model) < Self.modelLimit, "a model's index is below 64")
        precondition(free.allSatisfy { $0 <= PackingShape.wholeDevice }, "a device has at most 1000 thousandths free")
        self.model = model
        self.cpu = cpu
        self.memory = memory
        self.free = free
    }
}

/// Where a shape was put: bit i of `devices` = device i of the node.
package struct PackingPlacement: Hashable, Sendable {
    package var node: Int
    package var devices: UInt16

    package init(node: Int, devices: UInt16) {
        self.node = node
        self.devices = devices
    }
}
