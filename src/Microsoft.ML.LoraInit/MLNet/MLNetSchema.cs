using Microsoft.ML.Data;
using static Microsoft.ML.SchemaShape.Column;

namespace Microsoft.ML.LoraInit.MLNet;

/// <summary>Columns of a <see cref="SchemaShape"/>, which only ML.NET itself can construct.</summary>
internal static class MLNetSchema
{
    /// <summary>A column as an estimator announces it; a key's <paramref name="itemType"/> is its number type.</summary>
    public static SchemaShape.Column Column(
        string name, DataViewType itemType, VectorKind kind = VectorKind.Scalar, bool isKey = false, IEnumerable<SchemaShape.Column>? annotations = null) =>
        new(name, kind, itemType, isKey, annotations is null ? null : new SchemaShape(annotations));
}
