namespace Microsoft.ML.LoraInit.Libraries.Shelves;

/// <summary>Neighbouring rows that are computed together.</summary>
/// <param name="Shelf">Where their adapters are.</param>
/// <param name="Start">The first row.</param>
/// <param name="Rows">How many.</param>
/// <param name="Place">The place of all of them; null where each has its own, which is fetched for it.</param>
internal readonly record struct ShelfRun(Shelf Shelf, int Start, int Rows, int? Place);

/// <summary>Which rows of a batch are computed together: few runs, however many adapters there are.</summary>
/// <param name="Order">The rows, so that those of a run are neighbours; those without a place last.</param>
/// <param name="Runs">The runs.</param>
internal sealed record ShelfPlan(int[] Order, IReadOnlyList<ShelfRun> Runs)
{
    // An adapter with this share of the rows is not copied for each of them: there are fewer runs of this kind than that.
    private const int Share = 8;

    /// <param name="places">Each row's place, or null for none.</param>
    public static ShelfPlan Create(IReadOnlyList<ShelfPlace?> places)
    {
        var order = new List<int>(places.Count);
        var runs = new List<ShelfRun>();
        foreach (var shelf in Enumerable.Range(0, places.Count).Where(r => places[r] is not null).GroupBy(r => places[r]!.Shelf))
        {
            var byPlace = shelf.GroupBy(r => places[r]!.Place).ToLookup(g => g.Count() > 1 && g.Count() * Share >= places.Count);
            foreach (var rows in byPlace[true])
                Add(shelf.Key, rows, rows.Key);
            foreach (var rows in byPlace[false].OrderBy(g => g.Key).SelectMany(g => g).Chunk(shelf.Key.PlacesAtOnce))
                Add(shelf.Key, rows, null);
        }
        order.AddRange(Enumerable.Range(0, places.Count).Where(r => places[r] is null));
        return new([.. order], runs);

        void Add(Shelf shelf, IEnumerable<int> rows, int? place)
        {
            int start = order.Count;
            order.AddRange(rows);
            runs.Add(new(shelf, start, order.Count - start, place));
        }
    }
}
