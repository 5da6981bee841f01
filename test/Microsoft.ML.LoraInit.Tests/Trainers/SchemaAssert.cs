namespace Microsoft.ML.LoraInit.Tests.Trainers;

internal static class SchemaAssert
{
    /// <summary>The same columns, with the same annotations.</summary>
    public static void AreEquivalent(SchemaShape expected, SchemaShape actual) =>
        CollectionAssert.AreEquivalent(Describe(expected), Describe(actual),
            $"expected\n{string.Join('\n', Describe(expected).Order())}\nactual\n{string.Join('\n', Describe(actual).Order())}");

    private static string[] Describe(SchemaShape shape) =>
        [.. shape.Select(c => $"{c.Name}: {c.Kind} {(c.IsKey ? "key " : "")}{c.ItemType} {{{string.Join("; ", Describe(c.Annotations).Order())}}}")];

    private static string[] Describe(IEnumerable<SchemaShape.Column> annotations) =>
        [.. annotations.Select(c => $"{c.Name} {c.Kind} {(c.IsKey ? "key " : "")}{c.ItemType}")];
}
