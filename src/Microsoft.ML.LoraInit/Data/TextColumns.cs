using Microsoft.ML.Data;

namespace Microsoft.ML.LoraInit.Data;

/// <summary>The columns that a text trainer reads.</summary>
/// <param name="Text">The text.</param>
/// <param name="Text2">The second text of a pair, or null.</param>
/// <param name="Label">The label, or null where only texts are read.</param>
/// <param name="Weight">The example weight, or null.</param>
internal sealed record TextColumns(string Text, string? Text2 = null, string? Label = null, string? Weight = null)
{
    /// <summary>More classes than this are taken for a mistake, such as a hashed column.</summary>
    internal const int MaxClasses = 100_000;

    /// <summary>Checks names and types on the schema alone, before any long work.</summary>
    /// <returns>How many values the label can take: the key's cardinality, 2 for Boolean, 1 for a number or without a label; for a vector its size.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of another type; the message says which, what was found and what is expected.</exception>
    public int Check(DataViewSchema schema, LabelKind kind)
    {
        Expect<TextDataViewType>(schema, "text", Text, "text (in .NET: string)");
        if (Text2 is not null)
            Expect<TextDataViewType>(schema, "second text", Text2, "text (in .NET: string)");
        if (Weight is not null)
            ExpectNumber(schema, "example weight", Weight);
        if (Label is null)
            return 1;
        switch (kind)
        {
            case LabelKind.Key:
                var key = Expect<KeyDataViewType>(schema, "label", Label, $"a key; Transforms.Conversion.MapValueToKey(\"{Label}\") before the trainer makes one");
                if (key.Count > MaxClasses)
                    throw new ArgumentOutOfRangeException(null, $"The label column '{Label}' is a key of {key.Count} values, more than the {MaxClasses} classes supported. A hashed column cannot be a label; map it with Transforms.Conversion.MapValueToKey instead.");
                return (int)key.Count;
            case LabelKind.Boolean:
                Expect<BooleanDataViewType>(schema, "label", Label, "Boolean; Transforms.Conversion.ConvertType or MapValue before the trainer makes one");
                return 2;
            case LabelKind.Vector:
                return VectorSize(schema, Label);
            default:
                ExpectNumber(schema, "label", Label);
                return 1;
        }
    }

    private static int VectorSize(DataViewSchema schema, string name)
    {
        const string Expected = "a vector of Boolean or Single of a known size; Transforms.Concatenate makes one of several columns, [VectorType(n)] of an array";
        var vector = Expect<VectorDataViewType>(schema, "label", name, Expected);
        if (!vector.IsKnownSize || !(vector.ItemType is BooleanDataViewType || vector.ItemType == NumberDataViewType.Single))
            throw Mismatch(schema, "label", name, Expected);
        return vector.Size <= MaxClasses ? vector.Size
            : throw new ArgumentOutOfRangeException(null, $"The label column '{name}' is a vector of {vector.Size} values, more than the {MaxClasses} labels supported.");
    }

    private static void ExpectNumber(DataViewSchema schema, string role, string name)
    {
        const string Expected = "Single; Transforms.Conversion.ConvertType before the trainer makes one";
        if (Expect<NumberDataViewType>(schema, role, name, Expected) != NumberDataViewType.Single)
            throw Mismatch(schema, role, name, Expected);
    }

    private static TType Expect<TType>(DataViewSchema schema, string role, string name, string expected)
        where TType : DataViewType
    {
        var column = schema.GetColumnOrNull(name)
            ?? throw new ArgumentOutOfRangeException(null, $"There is no column '{name}', which the options name as the {role} column. The data has: {string.Join(", ", schema.Where(c => !c.IsHidden).Select(c => $"'{c.Name}'"))}.");
        return column.Type as TType ?? throw Mismatch(schema, role, name, expected);
    }

    private static ArgumentOutOfRangeException Mismatch(DataViewSchema schema, string role, string name, string expected) =>
        new(null, $"The {role} column '{name}' has the type {schema[name].Type}. Expected: {expected}.");
}
