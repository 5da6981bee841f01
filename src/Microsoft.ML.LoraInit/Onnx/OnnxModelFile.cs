namespace Microsoft.ML.LoraInit.Onnx;

/// <summary>
/// Writes a graph as a ModelProto (onnx/onnx: onnx.proto). The weights go from their tensors to the file one by one: lengths
/// come first in the format, and they follow from the shapes.
/// </summary>
internal static class OnnxModelFile
{
    /// <summary>
    /// ONNX 1.9, which ONNX Runtime reads from 1.8 on. Everything used is in it; a later set would only exclude older runtimes,
    /// since runtimes fuse layer normalisation and gelu from their parts.
    /// </summary>
    public const int Opset = 14;

    /// <summary>The file format's version that goes with <see cref="Opset"/>.</summary>
    public const int IrVersion = 7;

    private const int GraphField = 7, ConstantField = 5, RawDataField = 9;

    /// <summary>Refuses a place that cannot be written to, before long work.</summary>
    /// <exception cref="IOException">The path is a folder, or its folder does not exist.</exception>
    public static void Check(string path)
    {
        path = Path.GetFullPath(path);
        if (Directory.Exists(path))
            throw new IOException($"'{path}' is a folder: name a file to write to.");
        if (!Directory.Exists(Path.GetDirectoryName(path)))
            throw new DirectoryNotFoundException($"'{path}' cannot be written: its folder does not exist.");
    }

    /// <summary>Writes a file as a whole or not at all (<see cref="AtomicFile"/>).</summary>
    /// <param name="path">Replaced where it exists.</param>
    /// <param name="graph">The graph.</param>
    /// <param name="producerVersion">The library's version.</param>
    /// <param name="metadata">What readers of the file find beside the graph.</param>
    /// <exception cref="NotSupportedException">The file would be larger than the format allows.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Write(string path, OnnxGraph graph, string producerVersion, IEnumerable<KeyValuePair<string, string>> metadata) =>
        AtomicFile.Write(path, Writer(graph, producerVersion, metadata));

    /// <summary>What writes the file's bytes to a stream, once the graph is known to fit the format.</summary>
    /// <exception cref="NotSupportedException">The file would be larger than the format allows.</exception>
    public static Action<Stream> Writer(OnnxGraph graph, string producerVersion, IEnumerable<KeyValuePair<string, string>> metadata)
    {
        var model = Model(producerVersion, metadata);
        var body = Body(graph);
        var heads = graph.Constants.Select(c => (Constant: c, Head: Head(c))).ToArray();
        var length = heads.Aggregate(body.Length, (sum, c) => checked(sum + ProtobufMessage.FieldLength(ConstantField, ConstantLength(c.Constant, c.Head))));
        if (model.Length + ProtobufMessage.FieldLength(GraphField, length) > int.MaxValue)
            throw new NotSupportedException(FormattableString.Invariant(
                $"The model takes {length / 1e9:0.00} GB, and an ONNX file holds at most 2.14 GB. Write it with SaveMergedModel instead, and convert that folder with a tool that stores weights beside the graph."));
        return stream =>
        {
            model.CopyTo(stream);
            ProtobufMessage.Start(stream, GraphField, length);
            body.CopyTo(stream);
            foreach (var (constant, head) in heads)
            {
                ProtobufMessage.Start(stream, ConstantField, ConstantLength(constant, head));
                head.CopyTo(stream);
                ProtobufMessage.Start(stream, RawDataField, constant.Bytes);
                constant.Write(stream);
            }
        };
    }

    private static ProtobufMessage Model(string producerVersion, IEnumerable<KeyValuePair<string, string>> metadata)
    {
        var model = new ProtobufMessage().Integer(1, IrVersion).Text(2, "Microsoft.ML.LoraInit").Text(3, producerVersion)
            .Message(8, new ProtobufMessage().Text(1, "").Integer(2, Opset));
        foreach (var (key, value) in metadata)
            model.Message(14, new ProtobufMessage().Text(1, key).Text(2, value));
        return model;
    }

    /// <summary>GraphProto without its constants.</summary>
    private static ProtobufMessage Body(OnnxGraph graph)
    {
        var body = new ProtobufMessage();
        foreach (var node in graph.Nodes)
            body.Message(1, node);
        body.Text(2, graph.Name);
        foreach (var input in graph.Inputs)
            body.Message(11, Value(input));
        foreach (var output in graph.Outputs)
            body.Message(12, Value(output));
        return body;
    }

    /// <summary>ValueInfoProto with its TypeProto and TensorShapeProto.</summary>
    private static ProtobufMessage Value(OnnxValue value)
    {
        var shape = new ProtobufMessage();
        foreach (var axis in value.Shape)
            shape.Message(1, axis is string name ? new ProtobufMessage().Text(2, name) : new ProtobufMessage().Integer(1, (int)axis));
        var tensor = new ProtobufMessage().Integer(1, (int)value.Type).Message(2, shape);
        return new ProtobufMessage().Text(1, value.Name).Message(2, new ProtobufMessage().Message(1, tensor));
    }

    /// <summary>TensorProto without its data.</summary>
    private static ProtobufMessage Head(OnnxTensor constant)
    {
        var head = new ProtobufMessage();
        foreach (var dimension in constant.Shape)
            head.Integer(1, dimension);
        return head.Integer(2, (int)constant.Type).Text(8, constant.Name);
    }

    private static long ConstantLength(OnnxTensor constant, ProtobufMessage head) =>
        checked(head.Length + ProtobufMessage.FieldLength(RawDataField, constant.Bytes));
}
