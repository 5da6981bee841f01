using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Core;

namespace Microsoft.ML.LoraInit.Inference.Outputs;

/// <summary>The values behind a label's keys, in their own type: what MapKeyToValue turns predictions back into.</summary>
internal abstract class ClassNames
{
    public const string KeyValues = "KeyValues";

    private protected static readonly JsonSerializerOptions Json = UntrustedJson.Strict(new(JsonSerializerDefaults.General)
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    });

    private static readonly JsonSource Source = new("The list of class names", "Get or save the model again.");

    // The types that a key's values may have, by the name stored in models.
    private static readonly PrimitiveDataViewType[] Types =
    [
        TextDataViewType.Instance, BooleanDataViewType.Instance, NumberDataViewType.SByte, NumberDataViewType.Byte,
        NumberDataViewType.Int16, NumberDataViewType.UInt16, NumberDataViewType.Int32, NumberDataViewType.UInt32,
        NumberDataViewType.Int64, NumberDataViewType.UInt64, NumberDataViewType.Single, NumberDataViewType.Double,
        DateTimeDataViewType.Instance, DateTimeOffsetDataViewType.Instance, TimeSpanDataViewType.Instance,
    ];

    private protected ClassNames(PrimitiveDataViewType itemType, int count) => Type = new VectorDataViewType(itemType, count);

    /// <summary>The annotation's type: a vector of the values' type.</summary>
    public VectorDataViewType Type { get; }

    /// <summary>A <see cref="ValueGetter{TValue}"/> of the values.</summary>
    public abstract Delegate Getter { get; }

    /// <summary>The values as text, for score slots and messages.</summary>
    public abstract IReadOnlyList<string> Texts { get; }

    /// <summary>The key values of a label column, or null where its keys have none.</summary>
    public static ClassNames? Of(DataViewSchema.Column label)
    {
        if (label.Annotations.Schema.GetColumnOrNull(KeyValues) is not { Type: VectorDataViewType { IsKnownSize: true } type })
            return null;
        var item = Types.FirstOrDefault(t => t.Equals(type.ItemType)) ?? throw new ArgumentException(
            $"The keys of the label column '{label.Name}' stand for values of type {type.ItemType}, which cannot be stored in a model. Map text, numbers, booleans or dates to keys.");
        return Create(nameof(OfTyped), item, label.Annotations, item);
    }

    /// <summary>Classes named by text.</summary>
    public static ClassNames Of(IEnumerable<string> names) =>
        new ClassNames<ReadOnlyMemory<char>>(TextDataViewType.Instance, [.. names.Select(n => n.AsMemory())]);

    public JsonObject ToJson() => new() { ["type"] = Type.ItemType.RawType.Name, ["values"] = Values() };

    /// <exception cref="FormatException">The object is not what <see cref="ToJson"/> writes.</exception>
    public static ClassNames FromJson(JsonObject json)
    {
        var name = (string?)json["type"];
        var item = Types.FirstOrDefault(t => t.RawType.Name == name) ?? throw new FormatException($"Class names of the unknown type '{name}'.");
        return Create(nameof(FromTyped), item, json["values"] ?? throw new FormatException("Class names without values."), item);
    }

    private protected abstract JsonNode Values();

    private static ClassNames Create(string method, PrimitiveDataViewType item, params object[] arguments) =>
        (ClassNames)typeof(ClassNames).GetMethod(method, BindingFlags.NonPublic | BindingFlags.Static)!
            .MakeGenericMethod(item.RawType).Invoke(null, BindingFlags.DoNotWrapExceptions, null, arguments, CultureInfo.InvariantCulture)!;

    private static ClassNames<T> OfTyped<T>(DataViewSchema.Annotations annotations, PrimitiveDataViewType item)
    {
        VBuffer<T> values = default;
        annotations.GetValue(KeyValues, ref values);
        return new(item, values.DenseValues().ToArray());
    }

    private static ClassNames<T> FromTyped<T>(JsonNode values, PrimitiveDataViewType item)
    {
        try
        {
            return new(item, typeof(T) == typeof(ReadOnlyMemory<char>)
                ? (T[])(object)Array.ConvertAll(UntrustedJson.Read<string[]>(values, Source, Json), v => v.AsMemory())
                : UntrustedJson.Read<T[]>(values, Source, Json));
        }
        catch (InvalidDataException e)
        {
            throw new FormatException(e.Message, e);
        }
    }
}

/// <summary><see cref="ClassNames"/> of one type.</summary>
internal sealed class ClassNames<T> : ClassNames
{
    private readonly T[] _values;

    public ClassNames(PrimitiveDataViewType itemType, T[] values)
        : base(itemType, values.Length)
    {
        _values = values;
        Getter = (ValueGetter<VBuffer<T>>)((ref VBuffer<T> result) => new VBuffer<T>(_values.Length, _values).CopyTo(ref result));
        Texts = Array.ConvertAll(values, v => v is IFormattable f ? f.ToString(null, CultureInfo.InvariantCulture) : v?.ToString() ?? "");
    }

    public override Delegate Getter { get; }

    public override IReadOnlyList<string> Texts { get; }

    private protected override JsonNode Values() => typeof(T) == typeof(ReadOnlyMemory<char>)
        ? JsonSerializer.SerializeToNode(Texts.ToArray(), Json)!
        : JsonSerializer.SerializeToNode(_values, Json)!;
}
