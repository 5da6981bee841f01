using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Checkpoints;

/// <summary>The element types of a safetensors header that this library reads and writes.</summary>
internal static class SafetensorsDType
{
    private static readonly (string Name, ScalarType Type, int Size)[] Known =
    [
        ("F64", ScalarType.Float64, 8),
        ("F32", ScalarType.Float32, 4),
        ("F16", ScalarType.Float16, 2),
        ("BF16", ScalarType.BFloat16, 2),
        ("I64", ScalarType.Int64, 8),
        ("I32", ScalarType.Int32, 4),
        ("I16", ScalarType.Int16, 2),
        ("I8", ScalarType.Int8, 1),
        ("U8", ScalarType.Byte, 1),
        ("BOOL", ScalarType.Bool, 1),
    ];

    public static string Names { get; } = string.Join(", ", Known.Select(k => k.Name));

    /// <summary>False where the name is unknown.</summary>
    public static bool TryParse(string name, out ScalarType type)
    {
        foreach (var known in Known)
            if (known.Name == name)
            {
                type = known.Type;
                return true;
            }
        type = default;
        return false;
    }

    /// <summary>The header's name of a type.</summary>
    public static string Name(ScalarType type) => Find(type).Name;

    /// <summary>Bytes per element.</summary>
    public static int Size(ScalarType type) => Find(type).Size;

    private static (string Name, ScalarType Type, int Size) Find(ScalarType type)
    {
        foreach (var known in Known)
            if (known.Type == type)
                return known;
        throw new NotSupportedException($"A safetensors file cannot hold tensors of type {type}; it can hold {Names}.");
    }
}
