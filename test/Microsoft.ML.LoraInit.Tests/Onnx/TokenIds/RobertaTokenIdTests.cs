using Microsoft.ML.Data;
using Microsoft.ML.LoraInit.Tests.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Onnx.TokenIds;

/// <summary>The tokenizer on its own and as a pipeline step.</summary>
[TestClass]
public sealed class RobertaTokenIdTests
{
    private static readonly RobertaTextTokenizer Tokenizer = RobertaTextTokenizer.Of(RobertaCheckpoint.Mini);

    [TestMethod]
    public void IdsAreThoseOfTheTrainersTokenizer()
    {
        using var files = RobertaCheckpoint.Mini.Open(null, CancellationToken.None);
        var reference = files.OpenTokenizer();
        foreach (var (text, pair) in ((string, string?)[])[("The soup – naïve 🥣.", null), ("", null), ("One.", "Two words."), (new string('x', 5000), "y")])
            CollectionAssert.AreEqual(reference.Encode(text, pair, 512).Ids.Select(i => (long)i).ToArray(), Tokenizer.Encode(text, pair));
    }

    [TestMethod]
    public void ABatchIsFilledUpToItsLongestRow()
    {
        var (ids, mask, length) = Tokenizer.EncodeBatch(["A soup with onions.", "Rain."], ["It rains.", "No."]);
        var (first, second) = (Tokenizer.Encode("A soup with onions.", "It rains."), Tokenizer.Encode("Rain.", "No."));
        Assert.AreEqual(first.Length, length);
        Assert.IsTrue(second.Length < first.Length);
        CollectionAssert.AreEqual(first, ids[..length]);
        CollectionAssert.AreEqual(second, ids[length..(length + second.Length)]);
        Assert.IsTrue(ids[(length + second.Length)..].All(i => i == Tokenizer.PadTokenId));
        CollectionAssert.AreEqual(ids.Select((id, i) => i < length + second.Length ? 1L : 0L).ToArray(), mask);

        Assert.ThrowsExactly<ArgumentException>(() => Tokenizer.EncodeBatch([]));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Tokenizer.EncodeBatch(["a", "b"], ["c"])).Message, "1 second texts for 2");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => RobertaTextTokenizer.Of(RobertaCheckpoint.Mini, 4));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => RobertaTextTokenizer.Of(RobertaCheckpoint.Mini, 513));
    }

    [TestMethod]
    public void AModelsTokenizerCutsWhereTheModelDoes()
    {
        using var model = PeftAdapter.Load(Export.PeftAdapterTests.Adapter, new() { BaseModel = RobertaCheckpoint.Mini, Labels = ["a", "b", "c"], MaxLength = 24 });
        Assert.AreEqual(24, RobertaTextTokenizer.Of(model).Encode(new string('x', 5000)).Length);
    }

    [TestMethod]
    [DataRow(null)]
    [DataRow(12)]
    public void TheStepWritesIdsAndSurvivesSaving(int? length)
    {
        var ml = Topics.Context();
        using var folder = new TemporaryFolder();
        var view = Topics.View(ml);
        var step = ml.Transforms.Text.RobertaTokenIds(Tokenizer, text2ColumnName: "Text2", length: length);
        var pipeline = step.Append(ml.Transforms.CopyColumns("ids", "input_ids"));
        ml.Model.Save(pipeline.Fit(view), view.Schema, folder.File("m.mlnet"));
        var loaded = ml.Model.Load(folder.File("m.mlnet"), out var schema);
        Assert.AreEqual(view.Schema.Count, schema.Count);
        foreach (var model in new[] { pipeline.Fit(view), loaded })
        {
            var output = model.Transform(view);
            var type = (VectorDataViewType)output.Schema["input_ids"].Type;
            Assert.AreEqual((NumberDataViewType.Int64, length ?? 0), (type.ItemType, type.Size));
            Assert.AreEqual(type, output.Schema["attention_mask"].Type);
            var rows = output.GetColumn<long[]>("ids").Zip(output.GetColumn<long[]>("attention_mask")).ToArray();
            Assert.AreEqual(Topics.Rows.Count, rows.Length);
            for (int i = 0; i < rows.Length; i++)
            {
                var row = Topics.Rows[i];
                if (length is null)
                    CollectionAssert.AreEqual(Tokenizer.Encode(row.Text, row.Text2), rows[i].First);
                else
                    CollectionAssert.AreEqual(Tokenizer.Encode(row.Text, row.Text2, length.Value), rows[i].First[..(int)rows[i].Second.Sum()]);
                Assert.AreEqual(length ?? rows[i].First.Length, rows[i].Second.Length);
                CollectionAssert.AreEqual(rows[i].First.Select(id => id == Tokenizer.PadTokenId ? 0L : 1L).ToArray(), rows[i].Second);
            }
        }

        using var engine = ml.Model.CreatePredictionEngine<Topics.Row, Ids>(loaded, schema);
        foreach (var row in Topics.Rows.Take(3).Append(Topics.Rows[0]))
            CollectionAssert.AreEqual(Tokenizer.Encode(row.Text, row.Text2, length ?? 512), engine.Predict(row).InputIds.Where(id => id != Tokenizer.PadTokenId).ToArray());
    }

    [TestMethod]
    public void ColumnsAreCheckedByName()
    {
        var ml = Topics.Context();
        var view = Topics.View(ml);
        void Fails(string named, IEstimator<ITransformer> estimator)
        {
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => estimator.Fit(view)).Message, named);
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => estimator.GetOutputSchema(Topics.Shape(view))).Message, named);
        }
        var text = ml.Transforms.Text;
        Fails("'Nothing'", text.RobertaTokenIds(Tokenizer, "Nothing"));
        Fails("'Number'", text.RobertaTokenIds(Tokenizer, "Text", "Number"));
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => text.RobertaTokenIds(Tokenizer, "a", inputIdsColumnName: "a")).Message, "'a'");
        Assert.ThrowsExactly<ArgumentException>(() => text.RobertaTokenIds(Tokenizer, ""));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => text.RobertaTokenIds(Tokenizer, length: 513));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => text.RobertaTokenIds(Tokenizer, length: 4));
    }

    [TestMethod]
    public void ADamagedStepIsRefused()
    {
        using var damaged = new MemoryStream("{\"Format\":1,"u8.ToArray());
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => RobertaTokenIdTransformer.Load(damaged)).Message, "damaged");
        using var empty = new MemoryStream("{\"Format\":2}"u8.ToArray());
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => RobertaTokenIdTransformer.Load(empty)).Message, "damaged");
        using var newer = new MemoryStream("{\"Format\":4}"u8.ToArray());
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => RobertaTokenIdTransformer.Load(newer)).Message, "format 4");
    }

    private sealed class Ids
    {
        [ColumnName("ids")]
        public long[] InputIds { get; set; } = [];
    }
}
