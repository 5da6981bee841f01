using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Data;

namespace Microsoft.ML.LoraInit.Tests.Data;

[TestClass]
public sealed class TextColumnsTests
{
    private static readonly DataViewSchema Schema = MakeSchema();

    private static DataViewSchema MakeSchema()
    {
        var builder = new DataViewSchema.Builder();
        builder.AddColumn("Text", TextDataViewType.Instance);
        builder.AddColumn("Other", TextDataViewType.Instance);
        builder.AddColumn("Texts", new VectorDataViewType(TextDataViewType.Instance, 3));
        builder.AddColumn("Key", new KeyDataViewType(typeof(uint), 5));
        builder.AddColumn("Hash", new KeyDataViewType(typeof(uint), 1UL << 31));
        builder.AddColumn("Bool", BooleanDataViewType.Instance);
        builder.AddColumn("Single", NumberDataViewType.Single);
        builder.AddColumn("Double", NumberDataViewType.Double);
        return builder.ToSchema();
    }

    [TestMethod]
    public void FittingColumnsGiveTheNumberOfLabelValues()
    {
        Assert.AreEqual(5, new TextColumns("Text", "Other", "Key", "Single").Check(Schema, LabelKind.Key));
        Assert.AreEqual(2, new TextColumns("Text", null, "Bool").Check(Schema, LabelKind.Boolean));
        Assert.AreEqual(1, new TextColumns("Text", null, "Single").Check(Schema, LabelKind.Single));
        Assert.AreEqual(1, new TextColumns("Text").Check(Schema, LabelKind.Key));
    }

    [TestMethod]
    public void AMissingColumnIsNamedWithThoseThatAreThere()
    {
        Refused(new("Txt"), LabelKind.Key, "'Txt'", "text column", "'Text'", "'Double'");
        Refused(new("Text", "Pair"), LabelKind.Key, "'Pair'", "second text column");
        Refused(new("Text", null, "Label"), LabelKind.Key, "'Label'", "label column");
        Refused(new("Text", null, "Key", "Weight"), LabelKind.Key, "'Weight'", "example weight column");
    }

    [TestMethod]
    public void AWrongTypeIsNamedWithWhatIsExpected()
    {
        Refused(new("Single"), LabelKind.Key, "'Single'", "Single", "Expected: text");
        Refused(new("Texts"), LabelKind.Key, "'Texts'", "Vector<String, 3>", "Expected: text");
        Refused(new("Text", "Key"), LabelKind.Key, "'Key'", "Key<UInt32, 0-4>", "Expected: text");
        Refused(new("Text", null, "Other"), LabelKind.Key, "'Other'", "String", "MapValueToKey");
        Refused(new("Text", null, "Key"), LabelKind.Boolean, "'Key'", "Boolean");
        Refused(new("Text", null, "Double"), LabelKind.Single, "'Double'", "the type Double", "Expected: Single");
        Refused(new("Text", null, "Key", "Double"), LabelKind.Key, "example weight", "'Double'");
        Refused(new("Text", null, "Hash"), LabelKind.Key, "'Hash'", "2147483648", "MapValueToKey");
    }

    private static void Refused(TextColumns columns, LabelKind kind, params string[] parts)
    {
        var error = Assert.ThrowsExactly<ArgumentException>(() => columns.Check(Schema, kind));
        foreach (var part in parts)
            StringAssert.Contains(error.Message, part);
    }
}
