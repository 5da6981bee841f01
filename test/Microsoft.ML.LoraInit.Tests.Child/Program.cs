using Microsoft.ML;
using Microsoft.ML.Data;

// A process that has never heard of the library: it loads a model, scores a file and writes the scores' bits.
// <model> <tsv: text, second text, label> <output>
try
{
    var ml = new MLContext();
    var model = ml.Model.Load(args[0], out _);
    var rows = ml.Data.LoadFromTextFile<Row>(args[1], hasHeader: false);
    var scored = model.Transform(rows);
    using var output = new StreamWriter(args[2]);
    if (scored.Schema["Score"].Type is VectorDataViewType)
        foreach (var score in scored.GetColumn<float[]>("Score"))
            output.WriteLine(string.Join(' ', score.Select(Bits)));
    else
        foreach (var score in scored.GetColumn<float>("Score"))
            output.WriteLine(Bits(score));
    return 0;
}
catch (Exception e)
{
    Console.Error.WriteLine(e.GetBaseException().Message);
    return 1;
}

static string Bits(float value) => BitConverter.SingleToUInt32Bits(value).ToString("x8");

internal sealed class Row
{
    [LoadColumn(0)]
    public string Text { get; set; } = "";

    [LoadColumn(1)]
    public string Text2 { get; set; } = "";

    [LoadColumn(2)]
    public string Label { get; set; } = "";
}
