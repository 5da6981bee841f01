using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Data;
using static Microsoft.ML.SchemaShape.Column;

namespace Microsoft.ML.LoraInit.Trainers;

/// <summary>An estimator's view of schemas: what must come in, and what goes out, before any data is seen.</summary>
internal static class TrainerSchema
{
    /// <summary>Checks the input columns.</summary>
    /// <returns>The label column.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of another type.</exception>
    public static SchemaShape.Column Check(SchemaShape input, TextColumns columns, LabelKind kind)
    {
        ArgumentNullException.ThrowIfNull(input);
        Expect(input, "text", columns.Text, "text", c => c.ItemType is TextDataViewType);
        if (columns.Text2 is not null)
            Expect(input, "second text", columns.Text2, "text", c => c.ItemType is TextDataViewType);
        if (columns.Weight is not null)
            Expect(input, "example weight", columns.Weight, "Single", c => c.ItemType == NumberDataViewType.Single && !c.IsKey);
        return kind switch
        {
            LabelKind.Key => Expect(input, "label", columns.Label!, $"a key; Transforms.Conversion.MapValueToKey(\"{columns.Label}\") before the trainer makes one", c => c.IsKey),
            LabelKind.Vector => Expect(input, "label", columns.Label!, "a vector of Boolean or Single of a known size; Transforms.Concatenate makes one of several columns, [VectorType(n)] of an array",
                c => c.ItemType is BooleanDataViewType || (c.ItemType == NumberDataViewType.Single && !c.IsKey), VectorKind.Vector),
            LabelKind.Boolean => Expect(input, "label", columns.Label!, "Boolean", c => c.ItemType is BooleanDataViewType),
            _ => Expect(input, "label", columns.Label!, "Single", c => c.ItemType == NumberDataViewType.Single && !c.IsKey),
        };
    }

    /// <summary>Refuses outputs that would hide what a model is judged by: it would be compared with itself.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The label or weight column has an output's name.</exception>
    public static void CheckOutputs(TextColumns columns, IEnumerable<string> outputs)
    {
        foreach (var name in outputs)
            if (name == columns.Label || name == columns.Weight)
                throw new ArgumentOutOfRangeException(null, $"The {(name == columns.Label ? "label" : "example weight")} column and an output column both have the name '{name}': the output would hide it, and an evaluation would compare the model with itself. Rename one, for example with ScoreColumnName or PredictedLabelColumnName.");
    }

    /// <summary>The input's columns, with <paramref name="outputs"/> after them or in place of those of the same name.</summary>
    /// <param name="input">The columns.</param>
    /// <param name="columns">What the trainer reads.</param>
    /// <param name="outputs">What it adds.</param>
    /// <exception cref="ArgumentOutOfRangeException">The label or weight column has an output's name.</exception>
    public static SchemaShape Append(SchemaShape input, TextColumns columns, IEnumerable<SchemaShape.Column> outputs)
    {
        CheckOutputs(columns, outputs.Select(c => c.Name));
        var result = input.ToDictionary(c => c.Name, StringComparer.Ordinal);
        foreach (var column in outputs)
            result[column.Name] = column;
        return new SchemaShape(result.Values);
    }

    private static SchemaShape.Column Expect(SchemaShape input, string role, string name, string expected, Func<SchemaShape.Column, bool> fits, VectorKind kind = VectorKind.Scalar)
    {
        var column = input.FirstOrDefault(c => c.Name == name);
        if (column.Name is null)
            throw new ArgumentOutOfRangeException(null, $"There is no column '{name}', which the options name as the {role} column. The data has: {string.Join(", ", input.Select(c => $"'{c.Name}'"))}.");
        if (column.Kind != kind || !fits(column))
            throw new ArgumentOutOfRangeException(null, $"The {role} column '{name}' has the type {(column.Kind == VectorKind.Scalar ? "" : "vector of ")}{(column.IsKey ? "key of " : "")}{column.ItemType}. Expected: {expected}.");
        return column;
    }
}
