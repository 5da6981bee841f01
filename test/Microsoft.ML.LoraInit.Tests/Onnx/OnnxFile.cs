using System.Runtime.InteropServices;
using System.Text;

namespace Microsoft.ML.LoraInit.Tests.Onnx;

/// <summary>An ONNX file as the format's schema says (onnx/onnx: onnx.proto), read by code of its own.</summary>
internal sealed record OnnxFile(
    long IrVersion,
    string Producer,
    string ProducerVersion,
    IReadOnlyList<(string Domain, long Version)> Opsets,
    IReadOnlyDictionary<string, string> Metadata,
    IReadOnlyList<OnnxFile.Node> Nodes,
    IReadOnlyDictionary<string, OnnxFile.Constant> Constants,
    IReadOnlyList<OnnxFile.Value> Inputs,
    IReadOnlyList<OnnxFile.Value> Outputs)
{
    public const int Float = 1, Int8 = 3, Int64 = 7;

    public static OnnxFile Read(string path)
    {
        var model = Fields(File.ReadAllBytes(path)).ToLookup(f => f.Field, f => f.Value);
        var graph = Fields(model[7].Single().Bytes).ToLookup(f => f.Field, f => f.Value);
        return new(
            model[1].Single().Number,
            model[2].Single().Text,
            model[3].Single().Text,
            [.. model[8].Select(o => Fields(o.Bytes).ToDictionary(f => f.Field, f => f.Value)).Select(o => (o[1].Text, o[2].Number))],
            model[14].Select(m => Fields(m.Bytes).ToDictionary(f => f.Field, f => f.Value)).ToDictionary(m => m[1].Text, m => m[2].Text),
            [.. graph[1].Select(n => ReadNode(n.Bytes))],
            graph[5].Select(c => ReadConstant(c.Bytes)).ToDictionary(c => c.Name),
            [.. graph[11].Select(v => ReadValue(v.Bytes))],
            [.. graph[12].Select(v => ReadValue(v.Bytes))]);
    }

    private static Node ReadNode(ReadOnlyMemory<byte> bytes)
    {
        var node = Fields(bytes).ToLookup(f => f.Field, f => f.Value);
        var attributes = new Dictionary<string, long[]>();
        foreach (var attribute in node[5].Select(a => Fields(a.Bytes).ToLookup(f => f.Field, f => f.Value)))
            attributes.Add(attribute[1].Single().Text, attribute[20].Single().Number switch
            {
                2 => [attribute[3].Single().Number],
                7 => [.. attribute[8].Select(v => v.Number)],
                var type => throw new InvalidDataException($"An attribute of the type {type}."),
            });
        return new(node[4].Single().Text, node[3].Single().Text, [.. node[1].Select(i => i.Text)], [.. node[2].Select(o => o.Text)], attributes);
    }

    private static Constant ReadConstant(ReadOnlyMemory<byte> bytes)
    {
        var tensor = Fields(bytes).ToLookup(f => f.Field, f => f.Value);
        return new(tensor[8].Single().Text, tensor[2].Single().Number, [.. tensor[1].Select(d => d.Number)], tensor[9].Single().Bytes);
    }

    private static Value ReadValue(ReadOnlyMemory<byte> bytes)
    {
        var value = Fields(bytes).ToDictionary(f => f.Field, f => f.Value);
        var tensor = Fields(Fields(value[2].Bytes).Single(f => f.Field == 1).Value.Bytes).ToDictionary(f => f.Field, f => f.Value);
        var axes = Fields(tensor[2].Bytes).Select(d => Fields(d.Value.Bytes).Single())
            .Select(d => d.Field == 1 ? d.Value.Number.ToString(System.Globalization.CultureInfo.InvariantCulture) : d.Value.Text);
        return new(value[1].Text, tensor[1].Number, [.. axes]);
    }

    private static IEnumerable<(int Field, Item Value)> Fields(ReadOnlyMemory<byte> message)
    {
        for (var at = 0; at < message.Length;)
        {
            var key = Varint(message.Span, ref at);
            switch (key & 7)
            {
                case 0:
                    yield return ((int)(key >> 3), new((long)Varint(message.Span, ref at), default));
                    break;
                case 2:
                    var length = (int)Varint(message.Span, ref at);
                    yield return ((int)(key >> 3), new(0, message.Slice(at, length)));
                    at += length;
                    break;
                case var type:
                    throw new InvalidDataException($"A field of the wire type {type}.");
            }
        }
    }

    private static ulong Varint(ReadOnlySpan<byte> message, ref int at)
    {
        ulong value = 0;
        for (var shift = 0; ; shift += 7)
        {
            value |= (ulong)(message[at] & 0x7f) << shift;
            if (message[at++] < 0x80)
                return value;
        }
    }

    internal sealed record Node(string Operation, string Name, string[] Inputs, string[] Outputs, IReadOnlyDictionary<string, long[]> Attributes);

    internal sealed record Constant(string Name, long Type, long[] Shape, ReadOnlyMemory<byte> Data)
    {
        public T[] Values<T>()
            where T : unmanaged => MemoryMarshal.Cast<byte, T>(Data.Span).ToArray();
    }

    /// <summary>Per axis a size in digits, or the name of one that varies.</summary>
    internal sealed record Value(string Name, long Type, string[] Shape);

    private readonly record struct Item(long Number, ReadOnlyMemory<byte> Bytes)
    {
        public string Text => Encoding.UTF8.GetString(Bytes.Span);
    }
}
